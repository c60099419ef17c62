//! Log lines of every era and container → events.

mod catalogue;
mod containers;
mod fuzz;
mod scanning;
mod sources;
