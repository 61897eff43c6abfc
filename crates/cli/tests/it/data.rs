//! A small data set of two domains in which taste in one tells taste in the other.

use std::fmt::Write;

use crate::command::Folder;

const N_USERS: u64 = 240;
const N_TASTES: u64 = 3;
const ITEMS_PER_TASTE: u64 = 20;
const TASTES: [&str; 3] = ["whale", "robot", "castle"];

/// Draws that are the same on every machine.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Writes `books.csv` and `films.csv` (user, item, rating, timestamp, title): users prefer items of their taste in both,
/// and half of them come to films late, so that books must help them there.
pub(crate) fn write(folder: &Folder) {
    let mut draws = Draws(7);
    let header = "user_id,item_id,rating,timestamp,title\n";
    let (mut books, mut films) = (header.to_owned(), header.to_owned());
    for step in 0..20 {
        for user in 0..N_USERS {
            let time = 1_700_000_000 + step * 86_400 + user * 60;
            let row = |out: &mut String, kind: char, draws: &mut Draws| {
                let taste = if draws.below(6) == 0 { draws.below(N_TASTES) } else { user % N_TASTES };
                let item = draws.below(ITEMS_PER_TASTE);
                let word = TASTES[taste as usize];
                writeln!(
                    out,
                    "u{user},{kind}{taste}-{item},{},{time},The {word} number {item}",
                    1 + draws.below(5)
                )
                .unwrap();
            };
            row(&mut books, 'b', &mut draws);
            if user % 2 != 0 || step >= 16 {
                row(&mut films, 'f', &mut draws);
            }
        }
    }
    std::fs::write(folder.join("books.csv"), books).unwrap();
    std::fs::write(folder.join("films.csv"), films).unwrap();
}

/// Writes the files and imports them to `data`.
pub(crate) fn import(folder: &Folder) -> serde_json::Value {
    write(folder);
    folder.json("import books=books.csv films=films.csv --text-col title --to data --name shop")
}

/// Trains quickly to the folder `run`.
pub(crate) fn train(folder: &Folder, run: &str, more: &str) -> serde_json::Value {
    folder.json(&format!("train data --to {run} --budget 3 {more}"))
}
