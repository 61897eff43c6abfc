//! Events as tokens: what the transformer sees of a sequence.

use segue_data::Event;

use super::words::ItemWords;
use crate::query::event_time;
use crate::rows::Rows;

/// Tags of the time before the newest events that stand in front of them.
pub(super) const N_INTERESTS: usize = 3;
/// In place of a domain: a tag belongs to none.
pub(super) const NO_DOMAIN: u8 = u8::MAX;

/// One event, one interest tag or one attribute value of the user, as rows of the embedding tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Row of the item vectors; behind the items come the words, then attribute values.
    pub item: u32,
    /// Counted back from the newest event: `max_len − 1` for the newest; `max_len` for interest tags and attribute
    /// values.
    pub position: u16,
    /// Of the item; 255 for a tag or an attribute value, which belong to none.
    pub domain: u8,
    /// Of the event; kind 0 has no vector of its own.
    pub kind: u8,
    /// Time until the next event or the request; see [`gap_bucket`].
    pub gap: u8,
}

impl Rows {
    /// The newest `max_len` events in scope, oldest first; in front of them the most frequent tags of older ones. `now` is the
    /// time of the request, where it is known.
    pub fn tokens(
        &self,
        history: &[Event],
        now: Option<i64>,
        max_len: usize,
        words: &ItemWords,
    ) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(history.len().min(max_len));
        let mut next_time = now;
        for (at, event) in history.iter().enumerate().rev() {
            let Some(row) = self.row(event) else { continue };
            if tokens.len() == max_len {
                let older = history[..=at].iter().filter_map(|event| self.row(event));
                let interests = words.most_frequent(older, N_INTERESTS);
                tokens.extend(interests.into_iter().rev().map(|word| self.interest(word, max_len)));
                break;
            }
            tokens.push(Token {
                item: row as u32,
                position: (max_len - 1 - tokens.len()) as u16,
                domain: self.domain_of(row) as u8,
                kind: event.kind,
                gap: gap_bucket(event_time(event), next_time),
            });
            next_time = event_time(event);
        }
        tokens.reverse();
        tokens
    }

    fn interest(&self, word: u32, max_len: usize) -> Token {
        Token {
            item: self.n_rows() as u32 + word,
            position: max_len as u16,
            domain: NO_DOMAIN,
            kind: 0,
            gap: 0,
        }
    }
}

/// Values of [`gap_bucket`].
pub const N_GAPS: usize = 20;

/// 0 = unknown, 1 = the same second, then by powers of two of hours.
pub fn gap_bucket(from: Option<i64>, to: Option<i64>) -> u8 {
    let (Some(from), Some(to)) = (from, to) else { return 0 };
    let seconds = (to - from).max(0);
    if seconds == 0 {
        return 1;
    }
    let hours = (seconds / 3600) as u64;
    (2 + (64 - hours.leading_zeros()) as usize).min(N_GAPS - 1) as u8
}
