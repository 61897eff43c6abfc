//! Lists of all users into a file, a few hundred users in memory at a time.

use std::path::Path;

use anyhow::Result;
use rayon::prelude::*;
use segue_data::DomainIdx;
use segue_recommend::{Histories, Model, RankedItem, Request, When};
use serde::Serialize;

use crate::list_file::{ListFile, ListRow};
use crate::observer::{Observer, Task};
use crate::run::people::People;

const USERS_AT_ONCE: usize = 512;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct BatchCounts {
    /// Time of the requests, Unix seconds; `None` where the data has no times, or each user was asked at a time of their own.
    pub at: Option<i64>,
    /// Users, each with a list.
    pub n_users: usize,
    /// Rows: one per user and item.
    pub n_rows: usize,
    /// The file.
    pub to: String,
}

/// Lists of everybody beside a run.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// The model.
    pub model: &'a Model,
    /// Whose lists.
    pub people: &'a People,
    /// When they are asked for.
    pub when: When,
    /// The domain of the items.
    pub domain: DomainIdx,
    /// What is wanted besides.
    pub request: &'a Request,
}

impl Batch<'_> {
    /// Writes the list of every user, in user order, by the path that single lists take.
    ///
    /// # Errors
    /// When the file cannot be written, or the data set has other items than the model.
    pub fn write(&self, to: &Path, observer: &dyn Observer) -> Result<BatchCounts> {
        let histories = self.people.histories(self.model.catalog())?;
        let users: Vec<&str> = histories.people().collect();
        let mut file = ListFile::create(to)?;
        let mut n_rows = 0;
        let task = Task::start(observer, "users", users.len());
        for users in users.chunks(USERS_AT_ONCE) {
            let list = |user: &&str| self.list_of(user, &histories);
            let lists: Vec<Vec<ListRow>> = users.par_iter().map(list).collect::<Result<_>>()?;
            let rows: Vec<ListRow> = lists.into_iter().flatten().collect();
            n_rows += rows.len();
            file.write(rows)?;
            task.step(users.len(), String::new);
        }
        drop(task);
        file.finish()?;
        let at = self.people.common_time(self.when, self.model.catalog())?;
        Ok(BatchCounts { at, n_users: users.len(), n_rows, to: to.display().to_string() })
    }

    fn list_of(&self, user: &str, histories: &dyn Histories) -> Result<Vec<ListRow>> {
        let catalog = self.model.catalog();
        let person = histories.known(user, self.when.before())?;
        let query = person.query(self.domain, self.people.time_of(user, self.when, catalog)?);
        let list = self.model.recommend(&query, self.request)?;
        let row = |(place, ranked): (usize, &RankedItem)| ListRow {
            user: user.to_owned(),
            domain: catalog.domain_name(self.domain).to_owned(),
            item: catalog.items().raw(ranked.item).to_owned(),
            rank: place as u32 + 1,
            score: ranked.score,
        };
        Ok(list.items.iter().enumerate().map(row).collect())
    }
}
