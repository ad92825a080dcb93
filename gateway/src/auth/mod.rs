//! Who may connect, and what they may do: web pages by their origin, clients by their token.
//!
//! `transport` asks about origins during the handshake. `builtin` has tokens verified at connect and at renewal, and asks an
//! [`Identity`] for its rights; so does `supabase`, whose tokens name roles. `app` builds one [`Verifier`] and runs its upkeep; `cli` mints tokens for development.
//!
//! Never: the header of a token is believed only to find the key, whose algorithm is its own; keys, URLs and certificates
//! that stand in a token are not looked at; nothing of a token is logged or told to the client that sent it.
//!
//! Invariants: a token that has been accepted is signed by a known key, has not ended, and has a `sub`. No connect waits
//! longer than 3 seconds for an identity provider, and known keys are used while it is away.

mod claims;
mod fetch;
mod identity;
mod jwk;
mod jwks;
mod key;
mod metrics;
mod mint;
mod origin;
mod refused;
mod role;
mod signature;
mod verifier;

pub use claims::{Claims, Rights};
pub use identity::Identity;
pub use key::InvalidKey;
pub use origin::{CheckOrigin, Origin};
pub use refused::TokenRefused;
pub use verifier::{Verifier, VerifierError};

pub(crate) use metrics::TokenMetrics;
pub(crate) use mint::TokenKey;
pub(crate) use role::RoleClaims;
