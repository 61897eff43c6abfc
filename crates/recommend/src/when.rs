//! The time of a request: what experts see as now, and which events of a person count.

use crate::catalog::Catalog;
use crate::error::RecommendError;

/// When a list is asked for: whoever answers live uses [`When::Now`], [`When::At`] replays the past. Models fade old events and count what is popular at that time, so that a list of today is another one than
/// the same person's list of a year ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now, in Unix seconds by the caller's clock: all events of the person count.
    Now(i64),
    /// At the end of the data that the model was made from: all events count, as if it were the second of the newest one.
    End,
    /// At an earlier time, in Unix seconds: only events before it count.
    At(i64),
}

const DAY_S: i64 = 86_400;

impl When {
    /// The time of the query; `None` where the data has no times.
    ///
    /// # Errors
    /// When an earlier time is asked for and the data has no times.
    pub fn time(self, catalog: &Catalog) -> Result<Option<i64>, RecommendError> {
        let Some(newest) = catalog.newest() else {
            return match self {
                Self::At(_) => Err(RecommendError::request(
                    format!("the events of `{}` have no times", catalog.name()),
                    "leave the time out: only the order of events counts",
                )),
                Self::Now(_) | Self::End => Ok(None),
            };
        };
        Ok(Some(match self {
            Self::Now(time) | Self::At(time) => time,
            Self::End => newest,
        }))
    }

    /// Only events before this second count; `None`: all count.
    pub fn before(self) -> Option<i64> {
        match self {
            Self::At(time) => Some(time),
            Self::Now(_) | Self::End => None,
        }
    }

    /// Whole days from the newest event of the data to now; `None` where the data has no times or the request is not of now. After many
    /// days every history looks old, and experts that fade events by their time hardly see it.
    pub fn days_since_data(self, catalog: &Catalog) -> Option<i64> {
        match (self, catalog.newest()) {
            (Self::Now(now), Some(newest)) => Some((now - newest).max(0) / DAY_S),
            _ => None,
        }
    }
}
