//! TLS of the API: a certificate that follows its files.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it waits, and reads files on threads that may")]

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use super::settings::Settings;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Why there is no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("[api] {key} = {path:?} cannot be read: {source}")]
    File {
        /// Its name in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("[api] {key} = {path:?} holds no {expected} in PEM: {source}")]
    Pem {
        /// Its name in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// The two do not go together, or nothing can be done with them.
    #[error("[api] tls_cert = {cert:?} and tls_key = {key:?} cannot be used together: {source}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// The certificate in use, and where it comes from.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads the files that `settings` names; `None` where there are none.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub fn load(settings: &Settings) -> Result<Option<Arc<Self>>, TlsError> {
        let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
        let current = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Some(Arc::new(Self { cert: cert.clone(), key: key.clone(), current })))
    }

    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes the files anew whenever they change. Never ends. What cannot be used changes nothing: a renewal writes two files, one after
    /// the other.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut seen = self.stamp();
        loop {
            tokio::time::sleep(LOOK).await;
            let certificate = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || certificate.look(seen)).await;
            seen = looked.unwrap_or(seen);
        }
    }

    fn look(&self, seen: Stamp) -> Stamp {
        let now = self.stamp();
        if now == seen {
            return seen;
        }
        match read(&self.cert, &self.key) {
            Ok(new) => {
                self.current.store(Arc::new(new));
                tracing::info!(path = %self.cert.display(), "the certificate of the API was read again");
            }
            Err(error) => tracing::warn!(%error, "the new certificate of the API is not used; the old one stays"),
        }
        now
    }

    fn stamp(&self) -> Stamp {
        Stamp(FileStamp::of(&self.cert), FileStamp::of(&self.key))
    }
}

/// When the files were last written, and which files they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp(Option<FileStamp>, Option<FileStamp>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let file = |name, path: &Path| {
        fs::read(path).map_err(|source| TlsError::File { key: name, path: path.to_owned(), source })
    };
    let bad = |name, path: &Path, expected| {
        let path = path.to_owned();
        move |source| TlsError::Pem { key: name, path, expected, source }
    };
    let chain = CertificateDer::pem_slice_iter(&file("tls_cert", cert)?)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(bad("tls_cert", cert, "certificate"))?;
    let private = zeroize::Zeroizing::new(file("tls_key", key)?);
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(bad("tls_key", key, "private key"))?;
    let pair = |source| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), source };
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(pair)
}

/// Gives every new connection the certificate of the moment.
struct Resolver(Arc<Certificate>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolver").field(&self.0.cert).finish()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}
