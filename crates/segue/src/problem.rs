//! One target domain with everything that a fit may read, and how its cases are judged.

use anyhow::{Context, Result};
use segue_data::{Domain, DomainIdx, ItemCatalog, ItemGraph, Split};
use segue_models::{ItemVectors, MediaVectors};
use segue_train::judge::JudgeRule;
use segue_train::{Judge, Material};

/// What is to be recommended, from what it may be learned, and how it is judged. Training, benchmarks and studies all ask in this form,
/// so that none of them can forget a part of the data.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// The domains, in index order.
    pub domains: &'a [Domain],
    /// The events, cut into train, valid and test.
    pub split: &'a Split,
    /// Vectors of the items' texts.
    pub text: Option<&'a ItemVectors>,
    /// Vectors of the items' images and sounds.
    pub media: Option<&'a MediaVectors>,
    /// What is stated about the items.
    pub graph: Option<&'a ItemGraph>,
    /// The domain to recommend.
    pub target: DomainIdx,
    /// Which candidates a case has.
    pub rule: JudgeRule,
}

impl<'a> Problem<'a> {
    /// Name of the target.
    pub fn target_name(&self) -> &'a str {
        self.name_of(self.target)
    }

    /// Name of a domain.
    pub fn name_of(&self, domain: DomainIdx) -> &'a str {
        &self.domains[domain.at()].name
    }

    /// The same question with the events cut otherwise.
    #[must_use]
    pub fn with_split<'b>(self, split: &'b Split) -> Problem<'b>
    where
        'a: 'b,
    {
        Problem { split, ..self }
    }

    /// What experts are fitted on while settings are chosen: train.
    pub fn material(&self) -> Material<'a> {
        Material::new(&self.split.train, self.items, self.text).with_media(self.media).with_graph(self.graph)
    }

    /// What experts are fitted on once settings are chosen: train and valid.
    pub fn refit_material(&self) -> Material<'a> {
        self.material().with_train(&self.split.train_valid)
    }

    /// The valid cases, on which everything is chosen.
    ///
    /// # Errors
    /// When the target has none.
    pub fn valid(&self) -> Result<Judge<'a>> {
        let cases = &self.split.valid.0;
        Judge::new(cases, self.items, self.target, self.rule.mask, self.rule.sampled)
            .with_context(|| format!("valid cases of domain `{}`", self.target_name()))
    }

    /// The test cases, on which nothing is chosen. Studies and training measure on these; a list of the other places that open the
    /// test split is in `crates/cli/tests/tidy/boundaries.rs`.
    ///
    /// # Errors
    /// When the target has none.
    pub fn test(&self) -> Result<Judge<'a>> {
        let cases = self.split.test.open_for_measurement();
        Judge::new(cases, self.items, self.target, self.rule.mask, self.rule.sampled)
            .with_context(|| format!("test cases of domain `{}`", self.target_name()))
    }
}
