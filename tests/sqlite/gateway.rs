//! Real gateways.
