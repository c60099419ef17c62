//! Each metric is declared once: made and registered in one breath.

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::registry::{Registry, Unit};

pub(super) fn plain<M>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M
where
    M: EncodeMetric + std::fmt::Debug + Clone + Send + Sync + 'static,
{
    registry.register(name, help, metric.clone());
    metric
}

pub(super) fn in_unit<M>(registry: &mut Registry, name: &str, unit: Unit, help: &str, metric: M) -> M
where
    M: EncodeMetric + std::fmt::Debug + Clone + Send + Sync + 'static,
{
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}
