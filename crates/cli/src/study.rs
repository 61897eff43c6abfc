//! What studies of a data set share: a data set that is cut, a target, a plan; fits with a bar; paired differences; pages.

use std::path::Path;

use anyhow::{Context, Result};
use segue_data::{Dataset, Domain, DomainIdx, ItemCatalog, ItemGraph, Split};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, TableSettings, compare};
use segue_eval::rank::TargetRank;
use segue_eval::report::Report;
use segue_models::{ExpertId, ItemVectors, MediaVectors, Query};
use segue_recommend::DomainModel;
use segue_recommend::recommender::Scratch;
use segue_train::judge::ndcg_of;
use segue_train::zero_shot::JudgeRule;
use segue_train::{FitPlan, Judge, MaskRule, Material, Progress, Session, refit_domain};

use crate::clock;
use crate::commands::train::read;
use crate::config::RunConfig;
use crate::encode::read_media;
use crate::failure::usage;
use crate::figures::HEADLINE;
use crate::fit_bar;
use crate::run_split;
use crate::screen::Screen;
use crate::train_run;

/// What is studied.
pub(crate) struct Subject<'a> {
    pub(crate) items: &'a ItemCatalog,
    pub(crate) domains: &'a [Domain],
    pub(crate) split: &'a Split,
    pub(crate) vectors: Option<&'a ItemVectors>,
    pub(crate) media: Option<&'a MediaVectors>,
    pub(crate) graph: Option<&'a ItemGraph>,
    pub(crate) target: DomainIdx,
    pub(crate) plan: &'a FitPlan,
    pub(crate) rule: JudgeRule,
    /// Whether models are fitted on train and valid before test is measured.
    pub(crate) refit: bool,
    pub(crate) settings: TableSettings,
}

impl<'a> Subject<'a> {
    /// Name of the target.
    pub(crate) fn target_name(&self) -> &'a str {
        self.name_of(self.target)
    }

    /// Name of a domain.
    pub(crate) fn name_of(&self, domain: DomainIdx) -> &'a str {
        &self.domains[domain.at()].name
    }

    /// What experts are fitted on.
    pub(crate) fn material(&self) -> Material<'a> {
        Material::new(&self.split.train, self.items, self.vectors)
            .with_media(self.media)
            .with_graph(self.graph)
    }

    /// The valid cases.
    pub(crate) fn valid(&self) -> Result<Judge<'a>> {
        let cases = &self.split.valid.0;
        Judge::new(cases, self.items, self.target, self.rule.mask, self.rule.sampled).context("valid")
    }

    /// The test cases.
    pub(crate) fn test(&self) -> Result<Judge<'a>> {
        let cases = self.split.test.open_for_measurement();
        Judge::new(cases, self.items, self.target, self.rule.mask, self.rule.sampled).context("test")
    }

    /// The ranks that the objective counts.
    pub(crate) fn ranks<'r>(&self, rankings: &'r Rankings) -> &'r [TargetRank] {
        self.plan.objective.of(rankings)
    }

    /// Mean NDCG@10, with users resampled.
    pub(crate) fn ndcg(&self, judge: &Judge<'_>, rankings: &Rankings) -> Result<Interval> {
        let cases = ndcg_of(self.ranks(rankings));
        let bootstrap = Bootstrap { seed: self.plan.seed, ..Bootstrap::default() };
        Ok(bootstrap.means_by_user(&[&cases], judge.users())?[0])
    }

    /// NDCG@10 of `ours` minus that of `theirs`, paired by case.
    pub(crate) fn difference(
        &self,
        judge: &Judge<'_>,
        ours: &Rankings,
        theirs: &Rankings,
    ) -> Result<Comparison> {
        let compared = compare(self.ranks(ours), self.ranks(theirs), Some(judge.users()), &self.settings)?;
        compared.get(HEADLINE).copied().context("no metric was measured")
    }
}

impl Subject<'_> {
    /// Ranks the test cases by what is served: the model as it is, or fitted again on train and valid where the subject asks for it.
    pub(crate) fn rank_served(&self, test: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
        if !self.refit {
            return rank_model(test, model);
        }
        rank_model(test, &self.refitted(model)?)
    }

    /// The model fitted again on train and valid.
    pub(crate) fn refitted(&self, model: &DomainModel) -> Result<DomainModel> {
        let material = self.material().with_train(&self.split.train_valid);
        Ok(refit_domain(model, material, self.plan.seed, Session::unwatched())?)
    }
}

/// Experts of a blend with their weights, the largest first.
pub(crate) fn members(model: &DomainModel) -> Vec<(ExpertId, f32)> {
    let blend = &model.blend;
    let mut members: Vec<(ExpertId, f32)> =
        blend.active().map(|at| (blend.members[at].expert, blend.members[at].warm)).collect();
    members.sort_by(|a, b| b.1.total_cmp(&a.1));
    members
}

/// The same in words.
pub(crate) fn members_in_words(members: &[(ExpertId, f32)]) -> String {
    let member = |(expert, weight): &(ExpertId, f32)| format!("{expert} {weight:.2}");
    members.iter().map(member).collect::<Vec<_>>().join(" · ")
}

/// A data set, filtered and cut.
pub(crate) struct Prepared {
    pub(crate) dataset: Dataset,
    vectors: Option<ItemVectors>,
    media: MediaVectors,
    graph: Option<ItemGraph>,
    pub(crate) split: Split,
    config: RunConfig,
    pub(crate) plan: FitPlan,
    pub(crate) targets: Vec<DomainIdx>,
    mask: MaskRule,
}

impl Prepared {
    /// Reads, filters and cuts.
    pub(crate) fn of(path: &Path, config: RunConfig, screen: Screen) -> Result<Self> {
        let (mut dataset, vectors, _) = read(path)?;
        let media = read_media(path, &dataset.items)?;
        let targets = train_run::targets(&dataset, &config)?;
        for note in train_run::apply_filters(&mut dataset, &config)? {
            screen.say(note)?;
        }
        let split = run_split::cut(&dataset, &config)?;
        let plan = config.fit_plan();
        let graph = ItemGraph::of(&dataset);
        Ok(Self { dataset, vectors, media, graph, split, config, plan, targets, mask: MaskRule::Seen })
    }

    /// The same with other items left out of rankings.
    pub(crate) fn with_mask(self, mask: MaskRule) -> Self {
        Self { mask, ..self }
    }

    /// Refuses a data set of one domain.
    pub(crate) fn need_sources(&self) -> Result<()> {
        if self.dataset.domains.len() > 1 {
            return Ok(());
        }
        let name = &self.dataset.name;
        let problem = format!("data set `{name}` has one domain: there is no other that could help");
        Err(usage(problem, "import several domains: segue import NAME=PATH NAME=PATH --to DATA"))
    }

    /// What is studied for one target.
    pub(crate) fn subject(&self, target: DomainIdx) -> Subject<'_> {
        Subject {
            items: &self.dataset.items,
            domains: &self.dataset.domains,
            split: &self.split,
            vectors: self.vectors.as_ref(),
            media: Some(&self.media),
            graph: self.graph.as_ref(),
            target,
            plan: &self.plan,
            rule: JudgeRule { mask: self.mask, sampled: None },
            refit: self.config.fit.refit,
            settings: self.config.table_settings(),
        }
    }
}

/// Ranks the cases under a model.
pub(crate) fn rank_model(judge: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
    let score = |query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, judge.items(), &mut Scratch::default(), scores);
    };
    Ok(judge.rank(score)?)
}

/// Does a fit with a bar on the screen.
pub(crate) fn watched<T>(
    screen: Screen,
    what: &str,
    fit: impl FnOnce(Session<'_>) -> Result<T>,
) -> Result<T> {
    let bar = screen.bar(1, what);
    let show = |progress: &Progress| fit_bar::show(&bar, progress);
    let fitted = fit(Session::watched_by(&show));
    bar.finish_and_clear();
    fitted
}

/// Where a page comes from.
pub(crate) struct PageOrigin {
    /// Name of the data.
    pub(crate) data: String,
    /// The command line.
    command: String,
    /// When and by what.
    pub(crate) generated: String,
}

impl PageOrigin {
    /// The first lines of a page's provenance.
    pub(crate) fn provenance(&self) -> Vec<(String, String)> {
        vec![("command".to_owned(), self.command.clone()), ("data".to_owned(), self.data.clone())]
    }
}

/// Writes a page.
pub(crate) fn write_page(
    out: &Path,
    page: impl FnOnce(PageOrigin) -> Report,
    data: &str,
    screen: Screen,
) -> Result<()> {
    let command: Vec<String> = std::env::args().collect();
    let generated = format!("{} by segue {}", clock::now(), env!("CARGO_PKG_VERSION"));
    let origin = PageOrigin { data: data.to_owned(), command: command.join(" "), generated };
    std::fs::write(out, segue_eval::report::render(&page(origin)))
        .with_context(|| format!("cannot write `{}`", out.display()))?;
    screen.say(format!("\nreport  {}", out.display()))
}
