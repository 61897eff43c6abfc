//! Facts by the question that they answer: (anchor, relation, ?) in both directions.

use crate::graph::Triple;
use crate::ids::{EntityIdx, RelationIdx};

/// A question to a graph: which entities stand at the other end?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The entity that is known.
    pub anchor: EntityIdx,
    /// Through which the answers stand at the anchor.
    pub relation: RelationIdx,
    /// `false`: the anchor is the head and tails are asked for; `true`: the other way.
    pub inverse: bool,
}

impl Question {
    /// The question that a fact's tail answers, and the tail.
    pub fn of_tail(fact: Triple) -> (Self, EntityIdx) {
        (Self { anchor: fact.head, relation: fact.relation, inverse: false }, fact.tail)
    }

    /// The question that a fact's head answers, and the head.
    pub fn of_head(fact: Triple) -> (Self, EntityIdx) {
        (Self { anchor: fact.tail, relation: fact.relation, inverse: true }, fact.head)
    }
}

/// Answers of all questions that some facts answer, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    questions: Vec<Question>, // ascending
    offsets: Vec<usize>,      // [questions + 1]
    answers: Vec<EntityIdx>,  // ascending within a question
}

impl Facts {
    /// Indexes facts; repeated ones count once.
    pub fn of(facts: impl IntoIterator<Item = Triple>) -> Self {
        let both = |fact| [Question::of_tail(fact), Question::of_head(fact)];
        let mut pairs: Vec<(Question, EntityIdx)> = facts.into_iter().flat_map(both).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut index = Self { questions: Vec::new(), offsets: vec![0], answers: Vec::new() };
        for (question, answer) in pairs {
            if index.questions.last() != Some(&question) {
                index.questions.push(question);
                index.offsets.push(index.answers.len());
            }
            index.answers.push(answer);
            if let Some(end) = index.offsets.last_mut() {
                *end = index.answers.len();
            }
        }
        index
    }

    /// What is known to answer a question, ascending; empty when nothing is.
    pub fn answers(&self, question: Question) -> &[EntityIdx] {
        match self.questions.binary_search(&question) {
            Ok(at) => &self.answers[self.offsets[at]..self.offsets[at + 1]],
            Err(_) => &[],
        }
    }

    /// All questions in ascending order, with their answers.
    pub fn iter(&self) -> impl Iterator<Item = (Question, &[EntityIdx])> {
        let ranges = self.offsets.windows(2).map(|ends| &self.answers[ends[0]..ends[1]]);
        self.questions.iter().copied().zip(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(head: u32, relation: u32, tail: u32) -> Triple {
        Triple { head: EntityIdx(head), relation: RelationIdx(relation), tail: EntityIdx(tail) }
    }

    #[test]
    fn every_fact_answers_two_questions_once() {
        let facts = Facts::of([fact(3, 0, 1), fact(0, 0, 1), fact(3, 0, 1), fact(3, 0, 0), fact(1, 1, 3)]);
        let ask = |anchor, relation, inverse| {
            let question = Question { anchor: EntityIdx(anchor), relation: RelationIdx(relation), inverse };
            facts.answers(question).iter().map(|answer| answer.0).collect::<Vec<_>>()
        };
        assert_eq!(ask(3, 0, false), [0, 1]);
        assert_eq!(ask(1, 0, true), [0, 3]);
        assert_eq!(ask(1, 1, false), [3]);
        assert_eq!(ask(1, 0, false), [0; 0]);
        assert_eq!(facts.iter().map(|(_, answers)| answers.len()).sum::<usize>(), 8);
        assert_eq!(Facts::of([]).iter().count(), 0);
    }
}
