//! One path to a list: what is scored is what is shown, what is said about it is true, and what is stored comes back.

mod damage;
mod histories;
mod lists;
mod paths;
mod profiles;
mod reasons;
mod storage;
mod variety;
mod world;
