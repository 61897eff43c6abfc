//! What one more event costs: the user's vector from the newest events, one core. `user_update [WIDTH] [LENGTH]` prints milliseconds.
#![expect(clippy::print_stdout, reason = "a command whose output is read")]

use std::error::Error;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx};
use segue_models::sequence::{SequenceConfig, SequenceModel};
use segue_models::{Place, Query, Scope};

const N_ITEMS: u32 = 12_000;
const N_UPDATES: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let width = arguments.next().unwrap_or(Ok(64))?;
    let length = arguments.next().unwrap_or(Ok(50))?;
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let items = ItemCatalog::new(vec![(0..N_ITEMS).map(|item| item.to_string()).collect()], Vec::new());
    let config = SequenceConfig { width, max_len: length, ..SequenceConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let model =
        SequenceModel::new(&config, &items, Place { domain: DomainIdx(0), scope: Scope::Target }, &mut rng)?;
    let mut event = |at: usize| Event {
        item: ItemIdx(rng.random_range(0..N_ITEMS)),
        value: 1.0,
        timestamp: 1 + at as i64,
        kind: 0,
    };
    let mut history: Vec<Event> = (0..length).map(&mut event).collect();
    let mut spent = Vec::with_capacity(N_UPDATES);
    let mut sum = 0.0;
    for at in 0..N_UPDATES {
        history.push(event(length + at));
        let clock = Instant::now();
        let query = Query {
            domain: DomainIdx(0),
            history: &history,
            profile: &[],
            timestamp: Some((length + at + 2) as i64),
        };
        sum += model.user_vector(&query).ok_or("no vector")?[0];
        spent.push(clock.elapsed().as_secs_f64() * 1000.0);
    }
    spent.sort_by(f64::total_cmp);
    let [median, late] = [spent[N_UPDATES / 2], spent[N_UPDATES * 99 / 100]];
    println!(
        "width {width}, {length} events: median {median:.3} ms, 99th percentile {late:.3} ms (checksum {sum:.3})"
    );
    Ok(())
}
