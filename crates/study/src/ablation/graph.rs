//! The recipe with the true graph, with a random one, and with none.

use crate::ablation::part::Part;
use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::metric_table::Comparison;
use segue_models::{ExpertId, TokenKind};
use segue_report::{Sentence, Tone};
use serde::Serialize;

use super::asked::GraphVersion;
use super::{Ranked, TargetAblation};
use segue::verdicts;
use segue_report::number;

/// What the graph is worth for one target.
#[derive(Debug, Serialize)]
pub struct GraphTable {
    /// Facts of the true graph, and of the random one.
    pub n_facts: usize,
    /// Facts of the random graph that are true by chance.
    pub n_true_by_chance: usize,
    pub versions: Vec<VersionRow>,
    /// True − random, true − none, random − none, of those that were fitted.
    pub differences: Vec<GraphDifference>,
}

/// The recipe with one graph.
#[derive(Debug, Serialize)]
pub struct VersionRow {
    pub graph: GraphVersion,
    pub valid: Interval,
    pub test: Interval,
    /// The experts that read it, with their weights in the blend that valid chose with it, the refused ones included.
    pub readers: Vec<(ExpertId, f32)>,
    /// All experts of that blend.
    pub members: Vec<(ExpertId, f32)>,
}

/// One graph against another one.
#[derive(Debug, Serialize)]
pub struct GraphDifference {
    pub ours: GraphVersion,
    pub theirs: GraphVersion,
    pub on_valid: Comparison,
    pub on_test: Comparison,
    pub verdict: String,
}

const PAIRS: [(GraphVersion, GraphVersion); 3] = [
    (GraphVersion::True, GraphVersion::None),
    (GraphVersion::True, GraphVersion::Random),
    (GraphVersion::Random, GraphVersion::None),
];

impl GraphTable {
    pub fn measure(whole: &mut TargetAblation<'_, '_>, versions: &[GraphVersion]) -> Result<Self> {
        let mut ranked: Vec<(GraphVersion, Ranked)> = Vec::new();
        for &version in versions {
            let found = match version.part() {
                None => whole.whole.clone(),
                Some(part) => whole.without(part)?,
            };
            ranked.push((version, found));
        }
        let row = |(graph, ranked): &(GraphVersion, Ranked)| -> Result<VersionRow> {
            let (valid, test) = whole.ndcg(ranked)?;
            let readers = ranked.weights_of(|id| Part::Modality(TokenKind::Graph).touches(id));
            Ok(VersionRow { graph: *graph, valid, test, readers, members: ranked.members() })
        };
        let versions = ranked.iter().map(row).collect::<Result<Vec<_>>>()?;
        let find = |version| ranked.iter().find(|(other, _)| *other == version).map(|(_, ranked)| ranked);
        let mut differences: Vec<GraphDifference> = Vec::new();
        for (ours, theirs) in PAIRS {
            let (Some(a), Some(b)) = (find(ours), find(theirs)) else { continue };
            let (on_valid, on_test) = whole.differences(a, b)?;
            let verdict = String::new();
            differences.push(GraphDifference { ours, theirs, on_valid, on_test, verdict });
        }
        let (n_facts, n_true_by_chance) = whole.study.problem.graph.map_or((0, 0), |graph| {
            let random = graph.permuted(whole.study.plan().seed);
            (graph.triples.len(), random.triples.iter().filter(|fact| graph.states(**fact)).count())
        });
        let mut table = Self { n_facts, n_true_by_chance, versions, differences };
        let said: Vec<String> =
            table.sentences(whole.study.target_name()).into_iter().map(|sentence| sentence.text).collect();
        for (difference, text) in table.differences.iter_mut().zip(said) {
            difference.verdict = text;
        }
        Ok(table)
    }

    /// One sentence per difference.
    pub fn sentences(&self, target: &str) -> Vec<Sentence> {
        self.differences.iter().map(|difference| self.sentence(target, difference)).collect()
    }

    fn sentence(&self, target: &str, difference: &GraphDifference) -> Sentence {
        let test = &difference.on_test.difference;
        let (tone, measured) = (verdicts::tone(test), number::difference(test));
        let ours = self.versions.iter().find(|row| row.graph == difference.ours);
        let is_off = ours.is_some_and(|row| row.readers.iter().all(|(_, weight)| *weight == 0.0));
        let off = if is_off { ": off (weight 0)" } else { "" };
        let text = match (difference.ours, difference.theirs, tone) {
            (GraphVersion::True, GraphVersion::Random, Tone::Gain) => {
                format!("In {target}, what the graph says adds {measured} NDCG@10 over a random graph")
            }
            (GraphVersion::True, GraphVersion::Random, Tone::Loss) => {
                format!("In {target}, the graph is worse than a random one: {measured} NDCG@10{off}")
            }
            (GraphVersion::True, GraphVersion::Random, _) if self.adds() => {
                format!(
                    "In {target}, no gain over a random graph ({measured} NDCG@10): what helps is not what the graph says"
                )
            }
            (GraphVersion::True, GraphVersion::Random, _) => {
                format!("In {target}, no gain over a random graph beyond doubt: {measured} NDCG@10{off}")
            }
            (GraphVersion::True, _, Tone::Gain) => {
                format!("In {target}, the graph adds {measured} NDCG@10{off}")
            }
            (GraphVersion::True, _, Tone::Loss) => {
                format!("In {target}, the graph costs {measured} NDCG@10{off}")
            }
            (GraphVersion::True, _, _) => {
                format!("In {target}, the graph adds nothing beyond doubt: {measured} NDCG@10{off}")
            }
            (_, _, Tone::Gain) => format!(
                "In {target}, a random graph adds {measured} NDCG@10, which is not for what it says{off}"
            ),
            (_, _, Tone::Loss) => format!("In {target}, a random graph costs {measured} NDCG@10{off}"),
            _ => format!(
                "In {target}, a random graph adds nothing beyond doubt, as it should: {measured} NDCG@10{off}"
            ),
        };
        Sentence::new(tone, text)
    }

    // Whether the true graph has a proven gain over none.
    fn adds(&self) -> bool {
        let pair = (GraphVersion::True, GraphVersion::None);
        let found = self.differences.iter().find(|difference| (difference.ours, difference.theirs) == pair);
        found.is_some_and(|difference| difference.on_test.difference.lo > 0.0)
    }
}
