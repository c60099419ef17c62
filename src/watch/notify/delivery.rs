//! What came of telling somebody, for the metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) channel: Channel,
    pub(crate) result: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Command,
    Webhook,
    Restart,
    Ping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Ok,
    Failed,
    TimedOut,
    /// Too many were waiting.
    Dropped,
}

impl Channel {
    const ALL: [Self; 4] = [Self::Command, Self::Webhook, Self::Restart, Self::Ping];

    fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Webhook => "webhook",
            Self::Restart => "restart",
            Self::Ping => "ping",
        }
    }
}

impl Sent {
    const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::TimedOut, Self::Dropped];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Dropped => "dropped",
        }
    }
}

/// Counts deliveries; threads that tell count for themselves.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries(pub(crate) Family<[(&'static str, &'static str); 2], Counter>);

impl Deliveries {
    pub(crate) fn new() -> Self {
        let deliveries = Self(Family::default());
        for channel in Channel::ALL {
            for result in Sent::ALL {
                deliveries.of(Delivery { channel, result });
            }
        }
        deliveries
    }

    fn of(&self, Delivery { channel, result }: Delivery) -> Counter {
        self.0.get_or_create_owned(&[("channel", channel.as_str()), ("result", result.as_str())])
    }

    pub(crate) fn count(&self, delivery: Delivery) {
        self.of(delivery).inc();
    }
}
