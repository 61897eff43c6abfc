//! The recipe with the true graph, with a random one, and with none.

use anyhow::Result;
use segue::verdicts;
use segue_eval::bootstrap::Interval;
use segue_eval::metric_table::Comparison;
use segue_models::TokenKind;
use segue_report::number;
use segue_report::{Sentence, Tone};
use serde::Serialize;

use super::part::Part;
use super::request::GraphVersion;
use super::{Ranked, TargetAblation};
use crate::study::ExpertWeight;

/// What the graph is worth for one target.
#[derive(Debug, Serialize)]
pub struct GraphTable {
    /// Facts of the true graph, and of the random one.
    pub n_facts: usize,
    /// Facts of the random graph that are true by chance.
    pub n_true_by_chance: usize,
    /// The recipe with each graph that was asked for.
    pub versions: Vec<VersionRow>,
    /// True − random, true − none, random − none, of those that were fitted.
    pub differences: Vec<GraphDifference>,
}

/// The recipe with one graph.
#[derive(Debug, Serialize)]
pub struct VersionRow {
    /// The graph.
    pub graph: GraphVersion,
    /// NDCG@10 on valid.
    pub valid: Interval,
    /// NDCG@10 on test.
    pub test: Interval,
    /// The experts that read it, with their weights in the blend that valid chose with it, the refused ones included.
    pub readers: Vec<ExpertWeight>,
    /// All experts of that blend.
    pub members: Vec<ExpertWeight>,
}

/// One graph against another one.
#[derive(Debug, Serialize)]
pub struct GraphDifference {
    /// The graph that is looked at.
    pub ours: GraphVersion,
    /// The graph that it is compared with.
    pub theirs: GraphVersion,
    /// NDCG@10 on valid with the first minus with the second.
    pub on_valid: Comparison,
    /// The same on test.
    pub on_test: Comparison,
    /// What test says, in a sentence.
    pub verdict: String,
}

const PAIRS: [(GraphVersion, GraphVersion); 3] = [
    (GraphVersion::True, GraphVersion::None),
    (GraphVersion::True, GraphVersion::Random),
    (GraphVersion::Random, GraphVersion::None),
];

impl GraphTable {
    pub(super) fn measure(whole: &mut TargetAblation<'_, '_>, versions: &[GraphVersion]) -> Result<Self> {
        let mut fits: Vec<VersionFit> = Vec::new();
        for &graph in versions {
            let ranked = match graph.part() {
                None => whole.whole.clone(),
                Some(part) => whole.without(part)?,
            };
            fits.push(VersionFit { graph, ranked });
        }
        let (n_facts, n_true_by_chance) = count_facts(whole);
        let versions = fits.iter().map(|fit| fit.row(whole)).collect::<Result<_>>()?;
        let differences = differences(whole, &fits)?;
        let mut table = Self { n_facts, n_true_by_chance, versions, differences };
        let sentences = table.sentences(whole.study.target_name());
        for (difference, sentence) in table.differences.iter_mut().zip(sentences) {
            difference.verdict = sentence.text;
        }
        Ok(table)
    }

    /// One sentence per difference.
    pub(super) fn sentences(&self, target: &str) -> Vec<Sentence> {
        self.differences.iter().map(|difference| self.sentence(target, difference)).collect()
    }

    fn sentence(&self, target: &str, difference: &GraphDifference) -> Sentence {
        let test = &difference.on_test.difference;
        let (tone, measured) = (verdicts::tone(test), number::difference(test));
        let ours = self.versions.iter().find(|row| row.graph == difference.ours);
        let is_off = ours.is_some_and(|row| row.readers.iter().all(|reader| reader.weight == 0.0));
        let off = if is_off { ": off (weight 0)" } else { "" };
        let said = match (difference.ours, difference.theirs) {
            (GraphVersion::True, GraphVersion::Random) => self.over_random(tone, &measured, off),
            (GraphVersion::True, _) => match tone {
                Tone::Gain => format!("the graph adds {measured} NDCG@10{off}"),
                Tone::Loss => format!("the graph costs {measured} NDCG@10{off}"),
                _ => format!("the graph adds nothing beyond doubt: {measured} NDCG@10{off}"),
            },
            _ => match tone {
                Tone::Gain => {
                    format!("a random graph adds {measured} NDCG@10, which is not for what it says{off}")
                }
                Tone::Loss => format!("a random graph costs {measured} NDCG@10{off}"),
                _ => {
                    format!("a random graph adds nothing beyond doubt, as it should: {measured} NDCG@10{off}")
                }
            },
        };
        Sentence::new(tone, format!("In {target}, {said}"))
    }

    /// What the true graph says against a random one.
    fn over_random(&self, tone: Tone, measured: &str, off: &str) -> String {
        match tone {
            Tone::Gain => format!("what the graph says adds {measured} NDCG@10 over a random graph"),
            Tone::Loss => format!("the graph is worse than a random one: {measured} NDCG@10{off}"),
            _ if self.adds() => format!(
                "no gain over a random graph ({measured} NDCG@10): what helps is not what the graph says"
            ),
            _ => format!("no gain over a random graph beyond doubt: {measured} NDCG@10{off}"),
        }
    }

    /// Whether the true graph has a proven gain over none.
    fn adds(&self) -> bool {
        let pair = (GraphVersion::True, GraphVersion::None);
        let found = self.differences.iter().find(|difference| (difference.ours, difference.theirs) == pair);
        found.is_some_and(|difference| difference.on_test.difference.lo > 0.0)
    }
}

/// The recipe fitted with one graph.
struct VersionFit {
    graph: GraphVersion,
    ranked: Ranked,
}

impl VersionFit {
    fn row(&self, whole: &TargetAblation<'_, '_>) -> Result<VersionRow> {
        let Self { graph, ranked } = self;
        let (valid, test) = whole.ndcg(ranked)?;
        let readers = ranked.weights_of(|id| Part::Modality(TokenKind::Graph).touches(id));
        Ok(VersionRow { graph: *graph, valid, test, readers, members: ranked.members() })
    }
}

/// Facts of the true graph, and how many the random one has of these.
fn count_facts(whole: &TargetAblation<'_, '_>) -> (usize, usize) {
    whole.study.problem.graph.map_or((0, 0), |graph| {
        let random = graph.permuted(whole.study.plan().seed);
        (graph.triples.len(), random.triples.iter().filter(|fact| graph.states(**fact)).count())
    })
}

fn differences(whole: &TargetAblation<'_, '_>, fits: &[VersionFit]) -> Result<Vec<GraphDifference>> {
    let find = |version| fits.iter().find(|fit| fit.graph == version).map(|fit| &fit.ranked);
    let mut differences = Vec::new();
    for (ours, theirs) in PAIRS {
        let (Some(a), Some(b)) = (find(ours), find(theirs)) else { continue };
        let (on_valid, on_test) = whole.differences(a, b)?;
        differences.push(GraphDifference { ours, theirs, on_valid, on_test, verdict: String::new() });
    }
    Ok(differences)
}
