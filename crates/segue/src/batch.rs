//! Lists of all users into a file, a few hundred users in memory at a time.

use std::path::Path;

use anyhow::Result;
use rayon::prelude::*;
use segue_data::{DomainIdx, UserIdx};
use segue_recommend::{Recommender, Request};
use serde::Serialize;

use crate::list_file::{ListFile, ListRow};
use crate::observer::{Observer, Task};

const USERS_AT_ONCE: usize = 512;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct BatchCounts {
    /// Users, each with a list.
    pub n_users: usize,
    /// Rows: one per user and item.
    pub n_rows: usize,
    /// The file.
    pub to: String,
}

/// Writes the list of every user, in user order, by the path that single lists take.
pub fn recommend_all(
    recommender: &Recommender,
    domain: DomainIdx,
    request: &Request,
    to: &Path,
    observer: &dyn Observer,
) -> Result<BatchCounts> {
    let n_users = recommender.dataset.users.len();
    let mut file = ListFile::create(to)?;
    let mut n_rows = 0;
    let task = Task::start(observer, "users", n_users);
    for from in (0..n_users).step_by(USERS_AT_ONCE) {
        let users = from..(from + USERS_AT_ONCE).min(n_users);
        let list = |user: usize| list_of(recommender, domain, request, UserIdx(user as u32));
        let lists: Vec<Vec<ListRow>> = users.into_par_iter().map(list).collect::<Result<_>>()?;
        let rows: Vec<ListRow> = lists.into_iter().flatten().collect();
        n_rows += rows.len();
        file.write(rows)?;
        task.step(USERS_AT_ONCE.min(n_users - from), String::new);
    }
    drop(task);
    file.finish()?;
    Ok(BatchCounts { n_users, n_rows, to: to.display().to_string() })
}

fn list_of(
    recommender: &Recommender,
    domain: DomainIdx,
    request: &Request,
    user: UserIdx,
) -> Result<Vec<ListRow>> {
    let dataset = &recommender.dataset;
    let query = recommender.query_of(user, domain);
    let list = recommender.recommend(&query, request)?;
    let row = |(place, ranked): (usize, &segue_recommend::RankedItem)| ListRow {
        user: dataset.users.raw(user.0).unwrap_or_default().to_owned(),
        domain: dataset.domains[domain.at()].name.clone(),
        item: dataset.items.raw(ranked.item).to_owned(),
        rank: place as u32 + 1,
        score: ranked.score,
    };
    Ok(list.items.iter().enumerate().map(row).collect())
}
