//! A tiny world of two domains: four genres that words and tastes share, and two books that nobody has touched.

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{
    DomainIdx, EntityIdx, Event, Field, ItemCatalog, ItemGraph, ItemIdx, KnowledgeGraph, Link, Sequences,
    TrainSet, UserProfiles, Vocabulary,
};
use segue_models::content::{Content, ContentConfig};
use segue_models::graph_links::network::NetworkConfig;
use segue_models::graph_walks::GraphWalksConfig;
use segue_models::linear::LinearConfig;
use segue_models::popularity::PopularityConfig;
use segue_models::sequence::{
    Example, JointConfig, JointLoss, Lessons, LossForm, SequenceConfig, SequenceModel, SequenceStep,
    TextInputConfig, TransferConfig,
};
use segue_models::text_vectors::TextVectorsConfig;
use segue_models::whitening::Whitening;
use segue_models::window::WindowConfig;
use segue_models::{
    Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, FusionInputs, ItemSimilarity, ItemVectors,
    ModelError, Place, Query, Scope, TextSpace,
};

use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::dropout::DropoutKey;

/// The sources come first, so that a candidate's place is never its item index.
pub(crate) const SOURCE: DomainIdx = DomainIdx(0);
pub(crate) const TARGET: DomainIdx = DomainIdx(1);
pub(crate) const N_FILMS: usize = 20;
pub(crate) const N_BOOKS: usize = 26;
/// Books without any event are the last of their genre.
pub(crate) const N_NEW_BOOKS: usize = 2;
const N_USERS: usize = 48;
const NOW: i64 = 1_000_000_000;

/// Data, and the text neighbors that a text prior needs.
pub(crate) struct World {
    pub(crate) items: ItemCatalog,
    pub(crate) train: TrainSet,
    neighbors: ItemSimilarity,
    pub(crate) graph: ItemGraph,
    /// Index of every item by its place in the story: films, then books.
    pub(crate) index: Vec<usize>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::told(&(0..N_FILMS).collect::<Vec<_>>(), &(0..N_BOOKS).collect::<Vec<_>>())
    }

    /// The same world with other item numbers.
    pub(crate) fn renumbered(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut shuffled = |n: usize| {
            let mut order: Vec<usize> = (0..n).collect();
            order.shuffle(&mut rng);
            order
        };
        let (films, books) = (shuffled(N_FILMS), shuffled(N_BOOKS));
        Self::told(&films, &books)
    }

    /// The same world with its users in another order.
    pub(crate) fn with_rows_shuffled(seed: u64) -> Self {
        let mut world = Self::new();
        let mut rows: Vec<&[Event]> = world.train.sequences.rows().collect();
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        world.train = TrainSet { sequences: Sequences::from_rows(rows), ..TrainSet::default() };
        world
    }

    // `films[place]` and `books[place]` are indexes within the domain.
    fn told(films: &[usize], books: &[usize]) -> Self {
        let index: Vec<usize> =
            films.iter().copied().chain(books.iter().map(|book| N_FILMS + book)).collect();
        let mut raw = vec![String::new(); index.len()];
        let mut titles = raw.clone();
        for (place, &at) in index.iter().enumerate() {
            raw[at] = format!("item {place}");
            titles[at] = title(place);
        }
        let vocabularies = vec![
            raw[..N_FILMS].iter().collect::<Vocabulary>(),
            raw[N_FILMS..].iter().collect::<Vocabulary>(),
        ];
        let items = ItemCatalog::new(vocabularies, vec![Field { name: "title".into(), values: titles }]);
        let event = |(place, timestamp): (usize, i64)| Event {
            item: ItemIdx(index[place] as u32),
            value: 1.0,
            timestamp,
            kind: 0,
        };
        let rows = rows().into_iter().map(|row| row.into_iter().map(event).collect::<Vec<_>>());
        let train = TrainSet { sequences: Sequences::from_rows(rows), profiles: profiles().into() };
        let text = Content::fit(&ContentConfig::default(), &items, TARGET).expect("every item has a title");
        let neighbors = text.neighbors(items.len(), N_BOOKS);
        let graph = ItemGraph::new(&items, Some(&graph(&index))).expect("every item is linked");
        Self { items, train, neighbors, graph, index }
    }

    pub(crate) fn fit(&self, subject: &Subject) -> Result<Expert, ModelError> {
        let vectors = vectors(&self.items);
        let space = TextSpace::new(&vectors, &self.train, &self.items);
        if subject.id.kind.learns_by_steps() {
            let inputs =
                FusionInputs { text: space.as_ref(), graph: Some(&self.graph), ..FusionInputs::default() };
            let lessons = Lessons { train: &self.train, items: &self.items, inputs };
            let place = Place { domain: TARGET, scope: subject.id.scope };
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let model = SequenceModel::untrained(&subject.config, lessons, place, &mut rng)?;
            let config = match &subject.config {
                ExpertConfig::Behavior(_) => ExpertConfig::Behavior(model.config.clone()),
                other => other.clone(),
            };
            return Ok(Expert::of_sequence(subject.id, TARGET, config, self.trained(model)));
        }
        let context = FitContext {
            items: &self.items,
            domain: TARGET,
            text_neighbors: Some(&self.neighbors),
            text_space: space.as_ref(),
            image_space: space.as_ref(),
            audio_space: space.as_ref(),
            graph: Some(&self.graph),
        };
        Expert::fit(subject.id, &subject.config, &self.train, context)
    }

    // A few steps over all sequences: enough to move every number.
    fn trained(&self, mut model: SequenceModel) -> SequenceModel {
        let examples = Example::all_of(&self.train, &model);
        model.count_targets(&examples);
        let batch: Vec<&Example> = examples.iter().collect();
        let mut optimizer = AdamW::new(AdamWConfig::default(), &model.params);
        let mut step = SequenceStep::default();
        for at in 0..3 {
            let key = DropoutKey::new(at);
            model.refresh_step(key);
            let mut gradients = model.params.gradients();
            step.losses(&model, &batch, key, &mut gradients);
            optimizer.step(&mut model.params, &gradients, 1e-3, 1.0);
        }
        model.trained()
    }

    /// Scores of all books; the buffer starts as NaN, so a candidate that was not written is seen.
    pub(crate) fn scores(&self, expert: &Expert, history: &[Event]) -> Vec<f32> {
        self.scores_for(expert, history, &[])
    }

    /// The same for somebody of whom attribute values are known.
    pub(crate) fn scores_for(&self, expert: &Expert, history: &[Event], profile: &[u32]) -> Vec<f32> {
        let mut scores = vec![f32::NAN; N_BOOKS];
        let query = Query { domain: TARGET, history, profile, timestamp: Some(NOW) };
        expert.score(&query, &self.items, &mut scores);
        scores
    }

    /// Whole histories, parts of one domain only, a repeated item, and nothing.
    pub(crate) fn histories(&self) -> Vec<Vec<Event>> {
        let mut histories: Vec<Vec<Event>> =
            (0..6).map(|row| self.train.sequences.row(row).to_vec()).collect();
        let of = |domain: DomainIdx| -> Vec<Event> {
            histories[0].iter().copied().filter(|event| self.items.domain_of(event.item) == domain).collect()
        };
        let (films, books) = (of(SOURCE), of(TARGET));
        assert!(films.len() > 1 && books.len() > 1, "the first user is at home in both domains");
        let repeated = [books.as_slice(), &books].concat();
        histories.extend([films, books, repeated, Vec::new()]);
        histories
    }

    /// Index among the candidates of the books that nobody has touched.
    pub(crate) fn new_books(&self) -> Vec<usize> {
        self.index[N_FILMS + N_BOOKS - N_NEW_BOOKS..].iter().map(|at| at - N_FILMS).collect()
    }
}

// A color that tells the taste, and a number without meaning; of every sixth user nothing is known.
fn profiles() -> UserProfiles {
    const COLORS: [&str; 4] = ["red", "green", "blue", "white"];
    let known = |user: usize, text: String| if user % 6 == 5 { String::new() } else { text };
    let color = (0..N_USERS).map(|user| known(user, COLORS[user % 4].into())).collect();
    let height = (0..N_USERS).map(|user| known(user, (150.5 + user as f64).to_string())).collect();
    let fields =
        [Field { name: "color".into(), values: color }, Field { name: "height".into(), values: height }];
    UserProfiles::of(&fields, N_USERS)
}

// A place's genre is its remainder by four; two words of the title are the genre's.
fn title(place: usize) -> String {
    const GENRES: [&str; 4] = ["space voyage", "courtroom drama", "mountain cooking", "river poetry"];
    const MOODS: [&str; 5] = ["quiet", "loud", "strange", "golden", "bitter"];
    format!("{} {} number{place}", GENRES[place % 4], MOODS[place / 4 % 5])
}

// What is stated of the places: a genre, of a family of genres, and a mood; of some books the film that was made of them.
fn graph(index: &[usize]) -> KnowledgeGraph {
    let n = index.len();
    let names: Vec<[String; 3]> = (0..n)
        .map(|place| {
            [format!("place{place}"), format!("genre{}", place % 4), format!("mood{}", place / 4 % 5)]
        })
        .collect();
    let films: Vec<String> = (0..n).map(|place| format!("place{}", place % N_FILMS)).collect();
    let mut facts = vec![
        ("genre0", "part of", "family0"),
        ("genre1", "part of", "family0"),
        ("genre2", "part of", "family1"),
        ("genre3", "part of", "family1"),
    ];
    for (place, [item, genre, mood]) in names.iter().enumerate() {
        facts.extend([(item.as_str(), "genre", genre.as_str()), (item, "mood", mood)]);
        if place >= N_FILMS && place % 3 == 0 {
            facts.push((&films[place], "film of", item));
        }
    }
    let mut graph = KnowledgeGraph::of_facts(facts);
    let entity = |name: &String| EntityIdx(graph.entities.get(name).expect("it has a genre"));
    let link = |(place, [item, ..]): (usize, &[String; 3])| Link {
        item: ItemIdx(index[place] as u32),
        entity: entity(item),
    };
    graph.links = names.iter().enumerate().map(link).collect();
    graph
}

// What an encoder would make of the titles: one direction per word that titles share, one that all share, some noise.
pub(crate) fn vectors(items: &ItemCatalog) -> ItemVectors {
    const DIM: usize = 12;
    let mut values = Vec::new();
    for item in 0..items.len() {
        let title = items.label(ItemIdx(item as u32));
        let mut vector = [0.0f32; DIM];
        vector[0] = 3.0;
        for (at, byte) in title.bytes().enumerate() {
            vector[(usize::from(byte) * 7 + at % 3) % DIM] += 0.02 * (1.0 + f32::from(byte % 5));
        }
        vector[title.len() % 5 + 1] += 1.0;
        values.extend(vector);
    }
    ItemVectors { dim: DIM, values, model: "letters".into(), model_sha256: "none".into() }
}

// Users' events as (place, time), oldest first: mostly of one genre, in both domains.
fn rows() -> Vec<Vec<(usize, i64)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let places: Vec<usize> = (0..N_FILMS + N_BOOKS - N_NEW_BOOKS).collect();
    let mut row = |user: usize| {
        let mut events = Vec::new();
        let mut time = NOW - rng.random_range(0..10_000_000);
        while events.len() < 12 {
            let place = *places.choose(&mut rng).expect("there are places");
            if place % 4 == user % 4 || rng.random_bool(0.2) {
                events.push((place, time));
                time += rng.random_range(0..86_400);
            }
        }
        events
    };
    (0..N_USERS).map(&mut row).collect()
}

/// Random cases that are the same in every run.
pub(crate) fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// One expert under test.
pub(crate) struct Subject {
    pub(crate) id: ExpertId,
    pub(crate) config: ExpertConfig,
    pub(crate) name: String,
}

/// Every kind with every scope, in every form that the kind can take.
pub(crate) fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for kind in ExpertKind::ALL {
        for scope in [Scope::Target, Scope::Sources, Scope::All] {
            let id = ExpertId { kind, scope };
            // Mixed sequences are its way of reading other domains.
            let stands_aside = kind.learns_by_steps() && scope == Scope::Sources;
            for (form, config) in forms(kind).into_iter().filter(|_| !stands_aside) {
                subjects.push(Subject { id, config, name: format!("{id} ({form})") });
            }
        }
    }
    subjects
}

fn few_components(config: &TextVectorsConfig) -> TextVectorsConfig {
    let whitening = Whitening { n_components: 4, regularization: 0.5 };
    TextVectorsConfig { whitening, half_life_days: 30.0, repeat: 0.5, ..config.clone() }
}

fn behavior_forms(config: SequenceConfig) -> Vec<(&'static str, ExpertConfig)> {
    let small = SequenceConfig { width: 8, n_heads: 1, ..config };
    let short = SequenceConfig { max_len: 3, time_gaps: false, n_layers: 1, ..small.clone() };
    let profiles = SequenceConfig { profile_tokens: true, max_len: 6, ..small.clone() };
    vec![
        ("small", ExpertConfig::Behavior(small)),
        ("profiles", ExpertConfig::Behavior(profiles)),
        ("short memory", ExpertConfig::Behavior(short)),
    ]
}

fn transfer_forms(config: TransferConfig) -> Vec<(&'static str, ExpertConfig)> {
    let small = SequenceConfig { width: 8, n_heads: 1, n_layers: 1, ..config.sequence.clone() };
    let text = TextInputConfig { tags: false, id_bound: 0.0, domain_rank: 2, ..config.text.clone() };
    let bare = TransferConfig { sequence: small.clone(), text, ..config.clone() };
    let small = TransferConfig { sequence: small, ..config };
    vec![("small", ExpertConfig::Transfer(small)), ("text alone", ExpertConfig::Transfer(bare))]
}

fn joint_forms(config: JointConfig) -> Vec<(&'static str, ExpertConfig)> {
    let small = SequenceConfig { width: 8, n_heads: 1, n_layers: 1, ..config.sequence.clone() };
    let profiles = SequenceConfig { profile_tokens: true, ..small.clone() };
    let graph = NetworkConfig { n_layers: 1, n_neighbors: 3, users: true, ..config.graph.clone() };
    let loss = JointLoss { form: LossForm::Mse, ..config.loss.clone() };
    let squared = JointConfig { sequence: profiles, graph, loss, ..config.clone() };
    let small = JointConfig { sequence: small, ..config };
    vec![
        ("small", ExpertConfig::Joint(Box::new(small))),
        ("squared errors, profiles", ExpertConfig::Joint(Box::new(squared))),
    ]
}

// Exhaustive: a new kind does not compile until it says in which forms it is tested.
fn forms(kind: ExpertKind) -> Vec<(&'static str, ExpertConfig)> {
    let default = ("default", ExpertConfig::default_of(kind));
    let mut forms = vec![default.clone()];
    match (kind, default.1) {
        (ExpertKind::Popularity | ExpertKind::Recent, ExpertConfig::Popularity(config)) => {
            let config = PopularityConfig { logarithm: true, ..config };
            forms.push(("logarithm", ExpertConfig::Popularity(config)));
        }
        (ExpertKind::Window, ExpertConfig::Window(config)) => {
            let config = WindowConfig { backward: 0.0, shrink: 0.0, ..config };
            let timed = WindowConfig {
                half_life_days: 30.0,
                pair_half_life_days: 2.0,
                second_order: 1.0,
                ..config.clone()
            };
            forms.push(("forward only", ExpertConfig::Window(config)));
            forms.push(("timed, second order", ExpertConfig::Window(timed)));
        }
        (ExpertKind::Linear, ExpertConfig::Linear(config)) => {
            let prior = LinearConfig { text_prior: 0.4, l2: 20.0, ..config };
            let sparse = LinearConfig { budget_bytes: 0, half_life_days: 30.0, ..prior.clone() };
            forms.push(("text prior", ExpertConfig::Linear(prior)));
            forms.push(("text prior, sparse", ExpertConfig::Linear(sparse)));
        }
        (ExpertKind::Content, ExpertConfig::Content(config)) => {
            let vectors = ContentConfig { svd_dim: 64, ..config.clone() };
            let config = ContentConfig { title: 0.25, half_life_days: 30.0, repeat: 0.5, ..config };
            forms.push(("light title", ExpertConfig::Content(config)));
            forms.push(("vectors", ExpertConfig::Content(vectors)));
        }
        (ExpertKind::Behavior, ExpertConfig::Behavior(config)) => forms = behavior_forms(config),
        (ExpertKind::Transfer, ExpertConfig::Transfer(config)) => forms = transfer_forms(config),
        (ExpertKind::Graph, ExpertConfig::Graph(config)) => {
            let random_walk = GraphWalksConfig {
                degree_exponent: 1.0,
                lift_exponent: 0.0,
                norm_exponent: 1.0,
                half_life_days: 30.0,
                ..config.clone()
            };
            let through_users = GraphWalksConfig { through_users: 1.0, ..config.clone() };
            let short = GraphWalksConfig { third_hop: 0.0, norm_exponent: 0.0, ..config };
            forms.push(("random walk, timed", ExpertConfig::Graph(random_walk)));
            forms.push(("through users", ExpertConfig::Graph(through_users)));
            forms.push(("two hops", ExpertConfig::Graph(short)));
        }
        (ExpertKind::Encoder, ExpertConfig::Encoder(config)) => {
            forms.push(("few components, timed", ExpertConfig::Encoder(few_components(&config))));
        }
        (ExpertKind::Image, ExpertConfig::Image(config)) => {
            forms.push(("few components, timed", ExpertConfig::Image(few_components(&config))));
        }
        (ExpertKind::Audio, ExpertConfig::Audio(config)) => {
            forms.push(("few components, timed", ExpertConfig::Audio(few_components(&config))));
        }
        (ExpertKind::Joint, ExpertConfig::Joint(config)) => forms = joint_forms(*config),
        (kind, config) => panic!("{kind:?} has the settings of another kind: {config:?}"),
    }
    forms
}
