//! What a person sees at the start: once, the secrets that were made on an empty store, and each time where the server
//! listens and what to do next.
//!
//! Texts are composed from values; only [`print()`] and [`hand_over`] write. The passwords exist in clear only in these
//! texts: the store keeps hashes.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Secret;
use crate::flow::Transport;
use crate::transport::ListenAddress;

/// The usernames of the two phones that are made on an empty store.
pub const PHONES: [&str; 2] = ["phone1", "phone2"];

/// The file in the store's folder that takes the secrets where standard output is no terminal.
pub const FILE_NAME: &str = "first-run.txt";

/// Small letters and digits without those that are taken for one another (l and 1, o and 0): nothing here needs quotes
/// in a shell, in SIP or on a phone's keypad. Exactly 32, so that five random bits choose one without bias.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password of 20 characters, 100 bits, made of 20 random bytes.
pub fn random_password(random: &[u8; 20]) -> Secret {
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map_or('a', char::from);
    Secret::new(random.iter().map(letter).collect())
}

/// An API token of 64 hexadecimal digits, made of 32 random bytes.
pub fn random_token(random: &[u8; 32]) -> Secret {
    let mut text = String::with_capacity(64);
    for byte in random {
        let _ = write!(text, "{byte:02x}");
    }
    Secret::new(text)
}

/// What was made on an empty store.
#[derive(Debug)]
pub struct FirstRun {
    /// The account.
    pub auth_id: String,
    /// Its API token; `None` where it was given in the environment and so is known already.
    pub auth_token: Option<Secret>,
    /// The digest realm.
    pub realm: String,
    /// Usernames and passwords.
    pub phones: Vec<(String, Secret)>,
    /// Where the server listens for SIP; never empty.
    pub listen: Vec<ListenAddress>,
    /// Where the API listens.
    pub api: SocketAddr,
    /// An address of this machine that others can reach, if it has one.
    pub local: Option<IpAddr>,
}

impl FirstRun {
    /// Everything that is needed for a first call, ready to paste.
    pub fn text(&self) -> Secret {
        // Reserved at once: growing would leave copies of the passwords in freed memory.
        let mut text = String::with_capacity(8192);
        text.push_str("sipward has made an account, a trunk and two phones.\n");
        text.push_str("Keep this: the passwords are stored only as hashes and cannot be shown again.\n");
        self.write_softphone(&mut text);
        self.write_sipsak(&mut text);
        self.write_api(&mut text);
        Secret::new(text)
    }

    fn write_softphone(&self, text: &mut String) {
        text.push_str("\nSettings for a softphone\n");
        if let Some(listener) = preferred(&self.listen) {
            let server = reachable(listener.address, self.local);
            let _ = writeln!(text, "  server, domain   {server}");
            let _ = writeln!(text, "  transport        {}", transports(&self.listen));
        }
        let _ = writeln!(text, "  realm            {}  (leave it empty where nobody asks for it)", self.realm);
        for (username, password) in &self.phones {
            let _ = writeln!(text, "  username         {username}   password  {}", password.reveal());
        }
        if let [(first, _), (second, _), ..] = self.phones.as_slice() {
            let _ =
                writeln!(text, "  Set up one phone as {first} and another as {second}; dial {second} on the first.");
        }
    }

    /// `-u` and `-r` look redundant, but sipsak 0.9.8.1 otherwise answers as `phone1@` and cuts the port's last digit.
    fn write_sipsak(&self, text: &mut String) {
        let Some((username, password)) = self.phones.first() else { return };
        text.push_str("\nRegister from a terminal on this machine\n");
        let by_v4 = |listener: &&ListenAddress| listener.address.is_ipv4();
        let listeners = || self.listen.iter().filter(by_v4);
        let udp = listeners().find(|listener| listener.transport == Transport::Udp);
        let Some(listener) = udp.or_else(|| listeners().next()) else {
            text.push_str("  (sipsak speaks only IPv4, and this server listens only on IPv6)\n");
            return;
        };
        let server = reachable(listener.address, None);
        let over = if listener.transport == Transport::Tcp { " -E tcp" } else { "" };
        let (host, port, password) = (server.ip(), server.port(), password.reveal());
        let _ = writeln!(
            text,
            "  sipsak -U -i{over} -C sip:{username}@{host}:5070 -s sip:{username}@{host} -r {port} -u {username} \
             -a {password} -x 300 -v"
        );
    }

    fn write_api(&self, text: &mut String) {
        text.push_str("\nAsk the API for the account's trunks\n");
        let (auth_id, api) = (&self.auth_id, reachable(self.api, None));
        let _ = write!(text, "  curl -s -H 'X-Auth-ID: {auth_id}' -H ");
        let _ = match &self.auth_token {
            Some(token) => write!(text, "'X-Auth-Token: {}'", token.reveal()),
            None => write!(text, "\"X-Auth-Token: $SIPWARD_ACCOUNT_AUTH_TOKEN\""),
        };
        let _ = writeln!(text, " http://{api}/api/v1/Account/{auth_id}/trunks");
    }
}

/// UDP over IPv4 is what every phone speaks without being told.
fn preferred(listen: &[ListenAddress]) -> Option<&ListenAddress> {
    listen.iter().min_by_key(|listener| (listener.address.is_ipv6(), listener.transport == Transport::Tcp))
}

fn transports(listen: &[ListenAddress]) -> &'static str {
    let has = |transport| listen.iter().any(|listener| listener.transport == transport);
    match (has(Transport::Udp), has(Transport::Tcp)) {
        (true, true) => "UDP or TCP",
        (false, true) => "TCP",
        (true | false, false) => "UDP",
    }
}

/// An address that can be written into a client: for a wildcard `local` if it is of that family, else loopback.
pub fn reachable(address: SocketAddr, local: Option<IpAddr>) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let ip = local.filter(|local| local.is_ipv4() == address.is_ipv4()).unwrap_or(loopback);
    SocketAddr::new(ip, address.port())
}

/// Where the secrets went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HandedOver {
    /// To the terminal.
    Terminal,
    /// To this file, which only its owner can read.
    File(PathBuf),
}

/// Shows `text` on the terminal or, where standard output is none, writes it to a file in `folder`.
///
/// # Errors
/// The file cannot be written: the secrets would be lost, so the caller must not go on with them.
pub fn hand_over(text: &Secret, folder: &Path) -> io::Result<HandedOver> {
    if io::stdout().is_terminal() && print(text.reveal()).is_ok() {
        return Ok(HandedOver::Terminal);
    }
    write_file(text, folder).map(HandedOver::File)
}

/// Writes `first-run.txt`, or `first-run-2.txt` and so on where the older ones still are: what an earlier run left may
/// be the only copy of its passwords.
fn write_file(text: &Secret, folder: &Path) -> io::Result<PathBuf> {
    let stem = FILE_NAME.trim_end_matches(".txt");
    let later = (2..1000).map(|number| format!("{stem}-{number}.txt"));
    for name in std::iter::once(FILE_NAME.to_owned()).chain(later) {
        let path = folder.join(name);
        // `create_new` also refuses a link that somebody has put there.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return fill(file, text).map(|()| path.clone()).inspect_err(|_| drop(fs::remove_file(&path))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("too many files like {FILE_NAME}")))
}

fn fill(mut file: File, text: &Secret) -> io::Result<()> {
    file.write_all(text.reveal().as_bytes())?;
    file.sync_all()
}

/// What the screen of a started server tells.
#[derive(Debug)]
pub struct Started<'a> {
    /// Where it listens for SIP, with the ports that the system chose.
    pub listen: &'a [ListenAddress],
    /// Where the API listens.
    pub api: SocketAddr,
    /// An address of this machine that others can reach, if it has one.
    pub local: Option<IpAddr>,
    /// The store's folder.
    pub store: &'a Path,
    /// `[log] level`.
    pub log_level: &'a str,
    /// Where the secrets went, if this was the first start.
    pub first_run: Option<&'a HandedOver>,
}

/// One screen for a started server.
pub fn started_screen(started: &Started<'_>) -> String {
    let mut text = format!("sipward {} is running.\n\n", env!("CARGO_PKG_VERSION"));
    for listener in started.listen {
        let _ = write!(text, "  SIP    {} {}", listener.transport, listener.address);
        if listener.address.ip().is_unspecified() {
            let (here, there) = (reachable(listener.address, None), reachable(listener.address, started.local));
            let _ = write!(text, "  every address of this machine: {here}");
            if here != there {
                let _ = write!(text, " from here, {there} from outside");
            }
        }
        text.push('\n');
    }
    let api = reachable(started.api, None);
    let _ = writeln!(text, "  API    http://{api}  also /healthz and /metrics");
    let _ = writeln!(text, "  Store  {}", started.store.display());
    let _ = writeln!(text, "  Log    level {}; SIPWARD_LOG_LEVEL=debug tells more", started.log_level);
    text.push_str("\nNext\n");
    text.push_str(&match started.first_run {
        Some(HandedOver::Terminal) => {
            "  Copy the settings above into a softphone; they are not shown again.\n".to_owned()
        }
        Some(HandedOver::File(path)) => {
            format!("  Passwords and settings for the first phones: {}\n  Read it, then delete it.\n", path.display())
        }
        None => "  Phones that were set up before can register and call.\n".to_owned(),
    });
    text.push_str("  More users: sipward serve --seed users.csv, each line username,password\n");
    text.push_str("  Stop with Ctrl-C or SIGTERM.\n");
    text
}

/// Writes to standard output.
///
/// # Errors
/// Standard output cannot be written; for the [`started_screen`] a reader that has gone away (`BrokenPipe`) is no reason
/// to stop.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn at(transport: Transport, address: &str) -> ListenAddress {
        ListenAddress { transport, address: address.parse().unwrap() }
    }

    fn first_run() -> FirstRun {
        FirstRun {
            auth_id: "MA_LOCAL".to_owned(),
            auth_token: Some(random_token(&[0xab; 32])),
            realm: "MA_LOCAL.sipward.invalid".to_owned(),
            phones: PHONES.iter().map(|name| ((*name).to_owned(), random_password(&[7; 20]))).collect(),
            listen: vec![at(Transport::Udp, "0.0.0.0:15060"), at(Transport::Tcp, "0.0.0.0:15060")],
            api: "127.0.0.1:8080".parse().unwrap(),
            local: Some("192.0.2.7".parse().unwrap()),
        }
    }

    fn line<'a>(text: &'a str, start: &str) -> &'a str {
        text.lines().map(str::trim).find(|line| line.starts_with(start)).unwrap_or_default()
    }

    #[test]
    fn a_password_is_long_unambiguous_and_depends_on_every_byte() {
        let every: Vec<u8> = (0..=255).collect();
        for bytes in every.chunks_exact(20) {
            let password = random_password(bytes.try_into().unwrap());
            assert_eq!(password.reveal().len(), 20);
            assert!(password.reveal().bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        let mut other = [7; 20];
        other[19] = 8;
        assert_ne!(random_password(&[7; 20]).reveal(), random_password(&other).reveal());
        let distinct: std::collections::HashSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32);
    }

    #[test]
    fn a_token_shows_all_256_bits() {
        let mut random = [0; 32];
        random[31] = 0x0f;
        assert_eq!(random_token(&random).reveal(), format!("{}0f", "0".repeat(62)));
    }

    #[test]
    fn the_text_is_ready_to_paste() {
        let text = first_run().text();
        let (password, token) = (random_password(&[7; 20]), random_token(&[0xab; 32]));
        assert_eq!(line(text.reveal(), "server"), "server, domain   192.0.2.7:15060");
        assert_eq!(line(text.reveal(), "transport"), "transport        UDP or TCP");
        let sipsak = format!(
            "sipsak -U -i -C sip:phone1@127.0.0.1:5070 -s sip:phone1@127.0.0.1 -r 15060 -u phone1 -a {} -x 300 -v",
            password.reveal()
        );
        assert_eq!(line(text.reveal(), "sipsak"), sipsak);
        let curl = format!(
            "curl -s -H 'X-Auth-ID: MA_LOCAL' -H 'X-Auth-Token: {}' http://127.0.0.1:8080/api/v1/Account/MA_LOCAL/trunks",
            token.reveal()
        );
        assert_eq!(line(text.reveal(), "curl"), curl);
        assert_eq!(text.reveal().matches(password.reveal()).count(), 3, "both phones and sipsak");
    }

    #[test]
    fn a_token_from_the_environment_is_not_repeated() {
        let text = FirstRun { auth_token: None, ..first_run() }.text();
        assert!(line(text.reveal(), "curl").contains("-H \"X-Auth-Token: $SIPWARD_ACCOUNT_AUTH_TOKEN\""));
    }

    #[test]
    fn a_server_without_udp_is_reached_over_tcp_and_one_without_ipv4_not_by_sipsak() {
        let tcp = FirstRun { listen: vec![at(Transport::Tcp, "127.0.0.1:5060")], ..first_run() }.text();
        assert!(line(tcp.reveal(), "sipsak").contains(" -E tcp "));
        let v6 = FirstRun { listen: vec![at(Transport::Udp, "[::]:5060")], ..first_run() }.text();
        assert_eq!(line(v6.reveal(), "sipsak"), "");
        assert_eq!(line(v6.reveal(), "server"), "server, domain   [::1]:5060");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", first_run());
        assert!(!shown.contains(random_password(&[7; 20]).reveal()) && !shown.contains("abab"), "{shown}");
    }

    #[test]
    fn the_file_is_private_and_never_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_file(&Secret::new("first".to_owned()), folder.path()).unwrap();
        let second = write_file(&Secret::new("second".to_owned()), folder.path()).unwrap();
        assert_eq!(first, folder.path().join("first-run.txt"));
        assert_eq!(second, folder.path().join("first-run-2.txt"));
        assert_eq!(fs::read_to_string(&first).unwrap(), "first");
        assert_eq!(fs::read_to_string(&second).unwrap(), "second");
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_in_the_place_of_the_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        symlink(&elsewhere, folder.path().join(FILE_NAME)).unwrap();
        let written = write_file(&Secret::new("text".to_owned()), folder.path()).unwrap();
        assert_eq!(written, folder.path().join("first-run-2.txt"));
        assert!(!elsewhere.exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_file(&Secret::new("text".to_owned()), &folder.path().join("missing")).is_err());
    }

    #[test]
    fn the_screen_says_where_and_what_next_and_fits_on_one() {
        let listen = first_run().listen;
        let file = HandedOver::File(PathBuf::from("/srv/store/first-run.txt"));
        let started = Started {
            listen: &listen,
            api: "0.0.0.0:8080".parse().unwrap(),
            local: Some("192.0.2.7".parse().unwrap()),
            store: Path::new("/srv/store"),
            log_level: "info",
            first_run: Some(&file),
        };
        let screen = started_screen(&started);
        let udp = "SIP    udp 0.0.0.0:15060  every address of this machine: 127.0.0.1:15060 from here, 192.0.2.7:15060 from outside";
        assert_eq!(line(&screen, "SIP"), udp);
        assert_eq!(line(&screen, "API"), "API    http://127.0.0.1:8080  also /healthz and /metrics");
        assert_eq!(line(&screen, "Store"), "Store  /srv/store");
        assert!(screen.contains("/srv/store/first-run.txt"));
        assert!(screen.lines().count() <= 24 && screen.lines().all(|line| line.len() <= 120));
    }

    #[test]
    fn an_address_that_is_no_wildcard_stays() {
        let address = "192.0.2.9:5060".parse().unwrap();
        assert_eq!(reachable(address, Some("198.51.100.1".parse().unwrap())), address);
        assert_eq!(
            reachable("[::]:5060".parse().unwrap(), Some("198.51.100.1".parse().unwrap())).to_string(),
            "[::1]:5060"
        );
    }
}
