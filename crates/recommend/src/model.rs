//! A trained model of all domains: immutable, about no person, cheap to share.

use segue_data::{DomainIdx, ItemIdx};

use crate::catalog::Catalog;
use crate::domain_model::DomainModel;
use crate::error::RecommendError;

/// Everything that makes lists: a catalog and the experts of every domain that is recommended. Nothing in it can be changed, and it knows
/// nobody; whose events a list is made from comes with the query ([`Histories`](crate::Histories)).
#[derive(Clone, Debug)]
pub struct Model {
    catalog: Catalog,
    targets: Vec<DomainModel>,
}

impl Model {
    /// A model of these targets.
    ///
    /// # Panics
    /// When a target is no domain of the catalog or has another number of items: a programming error, not bad input.
    pub fn new(catalog: Catalog, targets: Vec<DomainModel>) -> Self {
        for target in &targets {
            let n_items = catalog.items().range(target.domain).len();
            assert_eq!(target.n_candidates(), n_items, "domain {}", target.domain.0);
        }
        Self { catalog, targets }
    }

    /// What it knows besides its experts.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The domains that it recommends.
    pub fn targets(&self) -> &[DomainModel] {
        &self.targets
    }

    /// The experts of a domain.
    ///
    /// # Errors
    /// When the domain was not trained as a target.
    pub fn target(&self, domain: DomainIdx) -> Result<&DomainModel, RecommendError> {
        self.targets.iter().find(|target| target.domain == domain).ok_or_else(|| {
            let trained: Vec<&str> =
                self.targets.iter().map(|target| self.catalog.domain_name(target.domain)).collect();
            RecommendError::request(
                format!("domain `{}` was not trained as a target", self.catalog.domain_name(domain)),
                format!("trained targets: {}", trained.join(", ")),
            )
        })
    }

    /// The place of an item among the candidates of a domain.
    pub(crate) fn candidate(&self, domain: DomainIdx, item: ItemIdx) -> Result<usize, RecommendError> {
        let items = self.catalog.items();
        let range = items.range(domain);
        if range.contains(&item.at()) {
            return Ok(item.at() - range.start);
        }
        let problem = format!("item `{}` is not in the domain asked for", items.raw(item));
        Err(RecommendError::request(problem, "name its own domain with --domain"))
    }

    /// The item at a place among the candidates of a domain.
    pub(crate) fn item_at(&self, domain: DomainIdx, candidate: usize) -> ItemIdx {
        ItemIdx((self.catalog.items().range(domain).start + candidate) as u32)
    }
}
