//! Tags of items – the words of their brand, category, title and other short fields – whose vectors are part of the item's.

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;
use segue_data::ItemCatalog;

use crate::rows::Rows;
use crate::tokenize::words;

/// A word of fewer items says nothing about others.
const FEWEST_ITEMS: u32 = 3;
/// A word of a larger share of the items says nothing.
const LARGEST_SHARE: f64 = 0.3;
const MOST_WORDS: usize = 20_000;

/// Which item has which words, by item and by word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemWords {
    of_item: Lists,
    of_word: Lists,
}

// Lists of numbers, one behind the other.
#[derive(Clone, Debug, Default, PartialEq)]
struct Lists {
    offsets: Vec<usize>,
    values: Vec<u32>,
}

impl Lists {
    // Where nothing is known of anybody, nothing is known of this one.
    fn get(&self, at: usize) -> &[u32] {
        self.offsets.get(at..at + 2).map_or(&[], |ends| &self.values[ends[0]..ends[1]])
    }

    fn from_rows(rows: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut lists = Self { offsets: vec![0], values: Vec::new() };
        for row in rows {
            lists.values.extend(row);
            lists.offsets.push(lists.values.len());
        }
        lists
    }
}

impl ItemWords {
    /// The words of all item rows, but for descriptions, and without words that nearly all or hardly any items have.
    pub fn of(items: &ItemCatalog, rows: &Rows) -> Self {
        let n_rows = rows.n_rows();
        let fields: Vec<&[String]> = items
            .fields()
            .iter()
            .filter(|field| field.name != "description")
            .map(|field| field.values.as_slice())
            .collect();
        let distinct = |row: usize| {
            let texts = fields.iter().map(|values| values[rows.first_item + row].as_str());
            let mut found: Vec<String> = texts.flat_map(words).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let texts: Vec<Vec<String>> = (0..n_rows).into_par_iter().map(distinct).collect();
        let mut counts: HashMap<&str, u32> = HashMap::new();
        texts.iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
        let most = (LARGEST_SHARE * n_rows as f64) as u32;
        let mut kept: Vec<(&str, u32)> =
            counts.into_iter().filter(|&(_, n)| (FEWEST_ITEMS..=most).contains(&n)).collect();
        kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        kept.truncate(MOST_WORDS);
        let index: HashMap<&str, u32> =
            kept.iter().enumerate().map(|(at, (word, _))| (*word, at as u32)).collect();
        let known =
            |words: &Vec<String>| words.iter().filter_map(|word| index.get(word.as_str()).copied()).collect();
        let of_item = Lists::from_rows(texts.iter().map(known));
        let mut by_word: Vec<Vec<u32>> = vec![Vec::new(); kept.len()];
        for row in 0..n_rows {
            of_item.get(row).iter().for_each(|&word| by_word[word as usize].push(row as u32));
        }
        Self { of_item, of_word: Lists::from_rows(by_word.into_iter()) }
    }

    /// Words that are kept: rare ones say nothing of other items, frequent ones nothing of this one.
    pub fn n_words(&self) -> usize {
        self.of_word.offsets.len().saturating_sub(1)
    }

    /// Numbers of the words that an item row has.
    pub fn of_row(&self, row: usize) -> &[u32] {
        self.of_item.get(row)
    }

    /// `vectors[i] = items[i] + Σ words of i / √n`, behind them the words' own vectors: `[n_rows + n_words, width]`.
    pub(super) fn add_to(&self, items: &[f32], words: &[f32], width: usize, vectors: &mut Vec<f32>) {
        vectors.clear();
        vectors.extend_from_slice(items);
        if self.n_words() == 0 {
            return;
        }
        vectors.par_chunks_mut(width).enumerate().for_each(|(row, vector)| {
            let own = self.of_row(row);
            let scale = 1.0 / (own.len().max(1) as f32).sqrt();
            for &word in own {
                segue_nn::add_scaled(vector, scale, &words[word as usize * width..][..width]);
            }
        });
        vectors.extend_from_slice(words);
    }

    /// From the gradients of [`add_to`](Self::add_to)'s vectors of items and of words, adds those of words.
    pub(super) fn add_gradients(
        &self,
        of_items: &[f32],
        of_words: &[f32],
        width: usize,
        d_words: &mut [f32],
    ) {
        d_words.par_chunks_mut(width).enumerate().for_each(|(word, sums)| {
            segue_nn::add_scaled(sums, 1.0, &of_words[word * width..][..width]);
            for &row in self.of_word.get(word) {
                let scale = 1.0 / (self.of_row(row as usize).len() as f32).sqrt();
                segue_nn::add_scaled(sums, scale, &of_items[row as usize * width..][..width]);
            }
        });
    }

    /// The `n` most frequent words of some rows; ties by number.
    pub(super) fn most_frequent(&self, rows: impl Iterator<Item = usize>, n: usize) -> Vec<u32> {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        rows.flat_map(|row| self.of_row(row)).for_each(|&word| *counts.entry(word).or_default() += 1);
        let mut counts: Vec<(u32, u32)> = counts.into_iter().collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        counts.into_iter().take(n).map(|(word, _)| word).collect()
    }
}
