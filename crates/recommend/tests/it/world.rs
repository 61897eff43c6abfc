//! A small trained model of two domains, with a book that nobody has touched and an expert that was refused.

use std::path::{Path, PathBuf};

use segue_data::{Dataset, DatasetBuilder, DomainIdx, Event, ItemIdx, RawInteraction, TrainSet, UserIdx};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, Query, Scope};
use segue_recommend::{
    Blend, Catalog, DatasetHistories, DomainModel, Histories, Member, Model, Person, Scratch,
};

/// The source comes first, so that a candidate's place is never its item index.
pub(crate) const SOURCE: DomainIdx = DomainIdx(0);
pub(crate) const TARGET: DomainIdx = DomainIdx(1);
pub(crate) const N_BOOKS: usize = 31;
const N_FILMS: usize = 17;
pub(crate) const N_USERS: u32 = 24;
/// Nobody has touched it; it has a title.
pub(crate) const NEW_BOOK: usize = N_BOOKS - 1;
pub(crate) const COLD_OFFSET: f32 = 0.375;

const GENRES: [&str; 3] = ["desert", "harbor", "glacier"];

/// A model and the people that it was trained on, who are no part of it.
pub(crate) struct World {
    pub(crate) dataset: Dataset,
    pub(crate) model: Model,
}

impl World {
    pub(crate) fn of(dataset: Dataset, target: DomainModel) -> Self {
        let model = Model::new(Catalog::of(&dataset), vec![target]);
        Self { dataset, model }
    }

    /// The only target.
    pub(crate) fn target(&self) -> &DomainModel {
        &self.model.targets()[0]
    }

    /// A user by number, with all events.
    pub(crate) fn person(&self, user: u32) -> Person {
        let histories = DatasetHistories::new(self.model.catalog(), &self.dataset).expect("its own data set");
        let raw = self.dataset.users.raw(user).expect("a known user");
        histories.known(raw, None).expect("a known user")
    }
}

pub(crate) fn dataset() -> Dataset {
    let mut builder = DatasetBuilder::new("small", 11);
    let domains = ["films", "books"].map(|name| builder.domain(name).expect("two domains"));
    for (domain, n_items) in domains.into_iter().zip([N_FILMS, N_BOOKS]) {
        for item in 0..n_items {
            let title = format!("{} story number{item}", GENRES[item % GENRES.len()]);
            builder.describe_item(domain, &item.to_string(), &[("title", &title)]);
        }
    }
    for user in 0..N_USERS as usize {
        for step in 0..9 {
            // Mostly the user's genre, one item in four anything, in turn a film and a book.
            let wanted = if step % 4 == 3 { user + step } else { user % 3 + 3 * (user * step % 8) };
            let (domain, n_items) = if step % 2 == 0 { (SOURCE, N_FILMS) } else { (TARGET, N_BOOKS - 1) };
            builder.interaction(&RawInteraction {
                user: &format!("u{user}"),
                item: &(wanted % n_items).to_string(),
                domain,
                timestamp: Some(1_700_000_000 + (user * 1_000 + step * 50_000) as i64),
                value: 1.0,
                kind: 0,
                split: None,
            });
        }
    }
    builder.finish().0
}

/// Five experts that speak, with weights that a float holds exactly, and one of weight zero.
pub(crate) fn target(dataset: &Dataset) -> DomainModel {
    let train = TrainSet { sequences: dataset.sequences.clone(), ..TrainSet::default() };
    let context = FitContext::new(&dataset.items, TARGET);
    let weights = [
        (ExpertKind::Popularity, Scope::Target, 0.125, 0.0),
        (ExpertKind::Recent, Scope::Target, 0.0, 0.0),
        (ExpertKind::Window, Scope::Target, 0.25, 0.125),
        (ExpertKind::Linear, Scope::Target, 0.25, 0.25),
        (ExpertKind::Content, Scope::Target, 0.25, 0.5),
        (ExpertKind::Window, Scope::Sources, 0.125, 0.125),
    ];
    let (mut experts, mut members) = (Vec::new(), Vec::new());
    for (kind, scope, warm, cold) in weights {
        let expert = ExpertId { kind, scope };
        let fitted = Expert::fit(expert, &ExpertConfig::default_of(kind), &train, context);
        experts.push(fitted.expect("there are events and titles").with_spread(0.3));
        members.push(Member { expert, warm, cold });
    }
    let counts = dataset.sequences.item_counts(dataset.items.len());
    let cold: Vec<bool> = dataset.items.range(TARGET).map(|item| counts[item] == 0).collect();
    assert!(cold.iter().any(|&cold| cold) && cold.iter().any(|&cold| !cold));
    DomainModel { domain: TARGET, experts, blend: Blend { members, cold_offset: COLD_OFFSET }, cold }
}

/// All of it.
pub(crate) fn world() -> World {
    let dataset = dataset();
    let target = target(&dataset);
    World::of(dataset, target)
}

/// The same experts, of which only the target's window speaks.
pub(crate) fn window_alone() -> World {
    let dataset = dataset();
    let target = target(&dataset);
    let window = ExpertId { kind: ExpertKind::Window, scope: Scope::Target };
    let at = target.experts.iter().position(|expert| expert.id == window).expect("it is there");
    let blend = Blend::only(&target.expert_ids(), at);
    World::of(dataset, DomainModel { blend, ..target })
}

pub(crate) fn query(history: &[Event]) -> Query<'_> {
    Query { domain: TARGET, history, profile: &[], timestamp: Some(1_800_000_000) }
}

/// Every user's history, one with repeats, and nobody's.
pub(crate) fn histories(world: &World) -> Vec<Vec<Event>> {
    let of = |user: u32| world.dataset.sequences.of(UserIdx(user)).to_vec();
    let mut histories: Vec<Vec<Event>> = (0..N_USERS).map(of).collect();
    let repeated = [histories[0].as_slice(), &histories[1], &histories[0]].concat();
    histories.extend([repeated, Vec::new()]);
    histories
}

/// A book by its number in the story.
pub(crate) fn book(world: &World, number: usize) -> ItemIdx {
    world.dataset.items.get(TARGET, &number.to_string()).expect("a known book")
}

/// Scores of all books under the model that is served.
pub(crate) fn scores(world: &World, history: &[Event]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; N_BOOKS];
    world.target().score(&query(history), &world.dataset.items, &mut Scratch::default(), &mut scores);
    scores
}

/// Index among the candidates.
pub(crate) fn candidate(world: &World, item: ItemIdx) -> usize {
    item.at() - world.dataset.items.range(TARGET).start
}

/// A folder of one test, gone when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder of our own");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: the next run uses another name.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All files below a folder, by their path in it.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found.iter().map(|path| path.strip_prefix(dir).expect("inside").to_owned()).collect()
}
