//! To come.

mod settings;

pub use settings::{AdvertisedAddress, ListenAddress, Settings};
