use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::server::{Server, exchange, request};

/// Writes a new certificate and key, and gives back what a client must trust.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["api.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection whose handshake has been made, if the server's certificate is `trusted`.
fn connect(server: &Server, trusted: &CertificateDer<'static>) -> Result<Tls, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("api.test").unwrap()).unwrap();
    let stream = TcpStream::connect(server.api)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

#[test]
fn the_api_speaks_tls_and_follows_its_certificate_without_dropping_connections() {
    let files = TempDir::new().unwrap();
    let first = renew(files.path());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let server =
        Server::start_with(&[("SIPWARD_API_TLS_CERT", &path("cert.pem")), ("SIPWARD_API_TLS_KEY", &path("key.pem"))]);
    let answer = exchange(&mut connect(&server, &first).unwrap(), &request("GET", "/healthz", &[], None)).is(200);
    assert_eq!(answer.json()["status"], "ok");

    let mut open = connect(&server, &first).unwrap();
    // Half of a renewal, and nonsense, change nothing.
    let (cert, key) = (fs::read(path("cert.pem")).unwrap(), fs::read(path("key.pem")).unwrap());
    renew(files.path());
    fs::write(path("key.pem"), &key).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    connect(&server, &first).unwrap();
    fs::write(path("cert.pem"), "nonsense").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    connect(&server, &first).unwrap();
    let log = server.log_with("the new certificate of the API is not used");
    assert!(log.contains("the new certificate of the API is not used"), "{log}");
    fs::write(path("cert.pem"), &cert).unwrap();

    let second = renew(files.path());
    let deadline = Instant::now() + Duration::from_secs(20);
    while connect(&server, &second).is_err() {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(connect(&server, &first).is_err());
    exchange(&mut open, &request("GET", "/healthz", &[], None)).is(200);
}

#[test]
fn who_speaks_no_tls_to_it_gets_nothing_and_holds_nobody_up() {
    let files = TempDir::new().unwrap();
    let trusted = renew(files.path());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let server =
        Server::start_with(&[("SIPWARD_API_TLS_CERT", &path("cert.pem")), ("SIPWARD_API_TLS_KEY", &path("key.pem"))]);
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(server.api).unwrap()).collect();
    let mut clear = TcpStream::connect(server.api).unwrap();
    clear.write_all(request("GET", "/healthz", &[], None).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = clear.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&bytes));
    exchange(&mut connect(&server, &trusted).unwrap(), &request("GET", "/healthz", &[], None)).is(200);
    drop(silent);
}
