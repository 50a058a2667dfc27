use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::flow::Transport;
use crate::trunk::AuthPolicy;

/// Loads a file with this text, shown as `f.toml` in the problems.
fn file(text: impl AsRef<[u8]>) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.toml");
    std::fs::write(&path, text).unwrap();
    let shown = |problem: &Problem| problem.to_string().replace(&path.display().to_string(), "f.toml");
    Config::load(Some(&path), []).map_err(|errors| errors.problems().iter().map(shown).collect())
}

fn environment(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::load(None, variables).map_err(|errors| errors.problems().iter().map(ToString::to_string).collect())
}

fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    file(text).expect_err("a configuration with problems")
}

#[track_caller]
fn assert_problem(text: &str, expected: &str) {
    assert_eq!(problems(text), [expected]);
}

/// The hint on one entry of `[sip] listen`, or of another key that is given.
fn hint(section: &str, key: &str, value: &str) -> String {
    let all = problems(format!("[{section}]\n{key} = {value}\n"));
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].rsplit_once("; ").map(|(_, hint)| hint.to_owned()).unwrap_or_default()
}

#[test]
fn without_file_and_variables_the_defaults_hold() {
    let config = Config::load(None, []).unwrap();
    assert!(config.entries().all(|entry| entry.origin.is_none()));
    assert_eq!(config.summary(), Config::default().summary());
}

#[test]
fn every_kind_of_value_is_read_from_the_file() {
    let config = file(
        r#"
        [sip]
        listen = ["TCP:[::]:5070", "udp:127.0.0.1:5060"]
        advertise = ["udp:Sip.Example.org:5060", "tcp:[2001:DB8::5]:5061"]
        aliases = ["sip.example.org", "192.0.2.1:5060", "[2001:db8:0::1]:5060", "[::1]"]
        domain = "Example.ORG"
        workers = 0x2
        [account]
        seed = "users.csv"
        [default_trunk]
        acl_allow = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]
        auth_policy_call = "ip_only"
        [digest]
        nonce_lifetime_s = 20
        nonce_key = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
        [log]
        format = "json"
        level = "info,sipward::transport=debug"
        "#,
    )
    .unwrap();
    let shown = |items: &[&dyn ToString]| items.iter().map(|item| item.to_string()).collect::<Vec<_>>();
    let [tcp, udp] = config.transport.listen.as_slice() else { panic!("two listeners") };
    assert_eq!(shown(&[tcp, udp]), ["tcp:[::]:5070", "udp:127.0.0.1:5060"]);
    assert_eq!((tcp.transport, udp.transport), (Transport::Tcp, Transport::Udp));
    let advertised: Vec<_> = config.transport.advertise.iter().map(ToString::to_string).collect();
    assert_eq!(advertised, ["udp:sip.example.org:5060", "tcp:[2001:db8::5]:5061"]);
    let aliases: Vec<_> = config.engine.aliases.iter().map(|alias| (alias.host.as_str(), alias.port)).collect();
    let expected =
        [("sip.example.org", None), ("192.0.2.1", Some(5060)), ("[2001:db8::1]", Some(5060)), ("[::1]", None)];
    assert_eq!(aliases, expected);
    assert_eq!((config.engine.domain.as_str(), config.transport.workers), ("example.org", 2));
    assert_eq!(config.account.seed, Some(PathBuf::from("users.csv")));
    let allowed: Vec<_> = config.default_trunk.acl_allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
    assert_eq!(config.default_trunk.auth_policy_call, AuthPolicy::IpOnly);
    assert_eq!(config.default_trunk.auth_policy_register, AuthPolicy::All);
    assert_eq!(config.auth.nonce_lifetime, Duration::from_secs(20));
    let key: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    assert_eq!(config.auth.nonce_key, Some(key));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "info,sipward::transport=debug"));
}

#[test]
fn every_key_can_be_set_by_its_variable_to_its_own_value() {
    let config = Config::default();
    let variables: Vec<(String, String)> = config
        .entries()
        .filter(|entry| entry.in_file)
        .map(|entry| (entry.variable, entry.value.replace(['[', ']', '"'], "").replace(", ", ",")))
        .collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let same = environment(&variables).unwrap();
    let values = |config: &Config| config.entries().map(|entry| entry.value).collect::<Vec<_>>();
    assert_eq!(values(&same), values(&config));
    assert_eq!(same.entries().filter(|entry| entry.origin.is_some()).count(), variables.len());
}

#[test]
fn names_of_keys_and_of_variables_are_unique() {
    let names: Vec<_> = Config::default().entries().map(|entry| entry.variable).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.toml");
    std::fs::write(&path, "[registrar]\nmax_contacts = 3\nmin_expires = 30\n").unwrap();
    let variables = [(OsString::from("SIPWARD_REGISTRAR_MAX_CONTACTS"), OsString::from(" 5 "))];
    let config = Config::load(Some(&path), variables).unwrap();
    assert_eq!((config.registrar.max_contacts, config.registrar.min_expires_s), (5, 30));
    let origin = |name| config.entries().find(|entry| entry.name == name).and_then(|entry| entry.origin);
    assert_eq!(origin("max_contacts"), Some(Place::Variable("SIPWARD_REGISTRAR_MAX_CONTACTS".to_owned())));
    assert_eq!(origin("min_expires"), Some(Place::File { file: path, line: 3 }));
}

#[test]
fn lists_in_the_environment_are_separated_by_commas_and_may_be_empty() {
    let variables = [
        ("SIPWARD_DEFAULT_TRUNK_ACL_ALLOW", "10.0.0.0/8, 192.0.2.1"),
        ("SIPWARD_LIMITS_EXEMPT", ""),
        ("SIPWARD_SIP_LISTEN", "udp:127.0.0.1:5070"),
    ];
    let config = environment(&variables).unwrap();
    assert_eq!(config.default_trunk.acl_allow.len(), 2);
    assert!(config.limits.exempt.is_empty());
    assert_eq!(config.transport.listen.len(), 1);
}

#[test]
fn a_missing_file_and_one_that_is_no_text_are_told() {
    let missing = Config::load(Some(Path::new("/nonexistent/f.toml")), []).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/f.toml: cannot be read: No such file"), "{missing}");
    assert_eq!(problems(b"[sip]\ndomain = \"\xff\"\n"), ["f.toml: line 2 is not UTF-8 text"]);
}

#[test]
fn a_slip_in_the_toml_is_told_with_line_and_column() {
    let all = problems("[sip]\nworkers = = 2\n");
    assert!(all[0].starts_with("f.toml:2:11: this is not TOML: "), "{all:?}");
    let twice = problems("[sip]\nworkers = 1\nworkers = 2\n");
    assert!(twice[0].starts_with("f.toml:3:1: this is not TOML: duplicate key"), "{twice:?}");
}

#[test]
fn a_toml_error_shows_nothing_of_the_line() {
    let all = problems("[digest]\nnonce_key = \"5e5e5e5e\n");
    assert!(all[0].starts_with("f.toml:2:") && !all[0].contains("5e5e"), "{all:?}");
}

#[test]
fn unknown_sections_and_keys_are_told_with_what_may_have_been_meant() {
    assert_problem("[registar]\n", "f.toml:1: unknown section [registar]; did you mean [registrar]?");
    assert_problem("[weather]\n", "f.toml:1: unknown section [weather]");
    assert_problem("[sip]\n\ndomian = \"x.org\"\n", "f.toml:3: unknown key [sip] domian; did you mean domain?");
    assert_problem(
        "[sip]\nmax_contacts = 1\n",
        "f.toml:2: unknown key [sip] max_contacts; did you mean [registrar] max_contacts?",
    );
    assert_problem("[sip]\ncolour = 1\n", "f.toml:2: unknown key [sip] colour");
    assert_problem(
        "listen = []\n",
        "f.toml:1: listen: found an array outside of any section, expected sections such as [sip], and keys below them; \
         did you mean [sip] listen or [api] listen?",
    );
    assert_problem(
        "sip = 5\n",
        "f.toml:1: sip: found an integer outside of any section, expected sections such as [sip], and keys below them",
    );
}

#[test]
fn unknown_variables_are_told_and_other_programs_variables_are_not_ours() {
    let all = environment(&[("SIPWARD_SIP_LISTN", ""), ("SIPWARD_COLOUR", "x"), ("PATH", "x"), ("SIPWARDEN", "x")]);
    let expected = [
        "environment variable SIPWARD_COLOUR is not one that sipward knows",
        "environment variable SIPWARD_SIP_LISTN is not one that sipward knows; did you mean SIPWARD_SIP_LISTEN?",
    ];
    assert_eq!(all.unwrap_err(), expected);
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStringExt;
    let variable = (OsString::from("SIPWARD_STORAGE_PATH"), OsString::from_vec(vec![0xff]));
    let errors = Config::load(None, [variable]).unwrap_err();
    assert!(errors.to_string().contains("SIPWARD_STORAGE_PATH: [storage] path: found bytes that are not UTF-8"));
}

#[test]
fn a_value_of_another_type_is_told_with_both_types() {
    assert_problem(
        "[registrar]\nmin_expires = \"60\"\n",
        "f.toml:2: [registrar] min_expires: found the text \"60\", expected a whole number of seconds from 1 to \
         4294967295; write it without quotes",
    );
    assert_problem(
        "[sip]\nworkers = true\n",
        "f.toml:2: [sip] workers: found the boolean true, expected a whole number from 0 to 255",
    );
    assert_problem(
        "[sip]\nworkers = 1.5\n",
        "f.toml:2: [sip] workers: found a float, expected a whole number from 0 to 255",
    );
    assert_problem(
        "[storage]\npath = 7\n",
        "f.toml:2: [storage] path: found the number 7, expected the path of a folder; a text stands in quotes: \"7\"",
    );
    assert!(hint("sip", "listen", "\"udp:[::]:5060\"").contains("[\"udp:[::]:5060\"]"));
    let mixed = problems("[sip]\naliases = [\"a.org\", 5]\n");
    assert!(mixed[0].contains("found an entry that is the number 5, expected a list of hosts"), "{mixed:?}");
}

#[test]
fn a_switch_is_true_or_false_without_quotes() {
    assert!(file("[digest]\nallow_rfc2069 = true\n").unwrap().auth.allow_rfc2069);
    assert!(environment(&[("SIPWARD_DIGEST_ALLOW_RFC2069", " true ")]).unwrap().auth.allow_rfc2069);
    assert_problem(
        "[digest]\nallow_rfc2069 = \"true\"\n",
        "f.toml:2: [digest] allow_rfc2069: found the text \"true\", expected true or false; write it without quotes",
    );
    assert_problem(
        "[digest]\nallow_rfc2069 = 1\n",
        "f.toml:2: [digest] allow_rfc2069: found the number 1, expected true or false",
    );
    let word = environment(&[("SIPWARD_DIGEST_ALLOW_RFC2069", "yes")]).unwrap_err();
    assert!(word[0].contains("found the text \"yes\", expected true or false"), "{word:?}");
}

#[test]
fn numbers_out_of_range_are_told_with_the_range() {
    for number in ["0", "-5", "4294967296", "99999999999999999999"] {
        let expected = format!(
            "f.toml:2: [registrar] max_expires: found {number}, expected a whole number of seconds from 1 to 4294967295"
        );
        assert_eq!(problems(format!("[registrar]\nmax_expires = {number}\n"))[0], expected);
    }
    let empty = environment(&[("SIPWARD_SIP_WORKERS", "")]).unwrap_err();
    assert!(empty[0].contains("found the text \"\", expected a whole number"), "{empty:?}");
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let all =
        problems("[registrar]\nmax_contacts = 0\n[api]\nlisten = 1\nzzzzzzzz = 2\n[sip]\nlisten = [\"x\", \"y\"]\n");
    let starts: Vec<_> = all.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["f.toml:2:", "f.toml:4:", "f.toml:5:", "f.toml:7:", "f.toml:7:"]);
}

#[test]
fn there_must_be_somewhere_to_listen() {
    let all = environment(&[("SIPWARD_SIP_LISTEN", "")]).unwrap_err();
    assert!(all[0].contains("[sip] listen: found an empty list, expected a list of one or more addresses"), "{all:?}");
}

#[test]
fn hints_on_addresses_to_listen_on_name_the_slip() {
    let hint = |value: &str| hint("sip", "listen", &format!("[\"{value}\"]"));
    assert_eq!(hint("0.0.0.0:5060"), "a transport must come first: udp:0.0.0.0:5060 or tcp:0.0.0.0:5060");
    assert_eq!(hint("tls:0.0.0.0:5061"), "tls is not supported, only udp and tcp");
    assert_eq!(hint("icmp:0.0.0.0:5061"), "the transport must be udp or tcp");
    assert_eq!(hint("udp"), "a transport must come first: udp: or tcp:");
    assert_eq!(hint("udp:0.0.0.0"), "the port is missing, or an IPv6 address is not in brackets");
    assert_eq!(hint("udp:::1:5060"), "the port is missing, or an IPv6 address is not in brackets");
    assert_eq!(hint("udp:2001:db8:1:2:3:4:5:6:5060"), "an IPv6 address goes in brackets: [2001:db8:1:2:3:4:5:6]:5060");
    assert_eq!(hint("udp:[::1]"), "the port is missing, or an IPv6 address is not in brackets");
    assert_eq!(
        hint("udp:localhost:5060"),
        "localhost is a name, and listening needs an address such as 127.0.0.1 or [::1]"
    );
    assert_eq!(hint("udp:127.0.0.1:99999"), "\"99999\" is not a port from 0 to 65535");
    let twice = problems("[sip]\nlisten = [\"udp:[::]:5060\", \"udp:[0::0]:5060\"]\n");
    assert!(twice[0].ends_with("; it stands there twice"), "{twice:?}");
}

#[test]
fn hints_on_hosts_name_the_slip() {
    let alias = |value: &str| hint("sip", "aliases", &format!("[\"{value}\"]"));
    assert_eq!(alias("2001:db8::1"), "an IPv6 address goes in brackets: [2001:db8::1]");
    assert_eq!(alias("example.org:sip"), "what follows the last colon is not a port");
    assert_eq!(alias("example.org:0"), "port 0 is not a port");
    assert_eq!(alias("sip:example.org"), "what follows the last colon is not a port");
    assert_eq!(alias("sip:example.org:5060"), "only the host, without a scheme");
    for bad in ["", "exa mple.org", "-a.org", "a..org", "[::zz]", "192.0.2.300", "a_b.org"] {
        let all = problems(format!("[sip]\naliases = [\"{bad}\"]\n"));
        assert!(all[0].contains(&format!("found \"{bad}\", expected a list of hosts")), "{all:?}");
    }
    let advertise = |value: &str| hint("sip", "advertise", &format!("[\"{value}\"]"));
    assert_eq!(advertise("udp:203.0.113.5"), "a port must follow: udp:203.0.113.5:5060");
    assert_eq!(
        advertise("udp:0.0.0.0:5060"),
        "nobody can send to the unspecified address: give the one that peers reach"
    );
}

#[test]
fn a_domain_is_a_host_name() {
    let domain = |value: &str| hint("sip", "domain", &format!("\"{value}\""));
    assert_eq!(
        domain("192.0.2.1"),
        "an address is not a domain, and to be called by an address nothing needs to be set"
    );
    assert_eq!(domain("example.org."), "without the dot at its end");
    for bad in ["", "exa mple", "example.org:5060", "a.1", &"a.".repeat(130)] {
        assert_eq!(problems(format!("[sip]\ndomain = \"{bad}\"\n")).len(), 1, "{bad}");
    }
    assert!(file("[sip]\ndomain = \"localhost\"\n").is_ok());
}

#[test]
fn networks_with_host_bits_are_refused_with_the_two_that_may_be_meant() {
    let network = |value: &str| hint("default_trunk", "acl_deny", &format!("[\"{value}\"]"));
    assert_eq!(network("10.1.2.3/8"), "the network of /8 is 10.0.0.0/8, the single address is 10.1.2.3");
    assert_eq!(network("::ffff:192.0.2.1"), "IPv4 senders are known by their IPv4 address: write it as 192.0.2.1");
    for bad in ["10.0.0.0/33", "10.0.0", "example.org", "10.0.0.0-10.0.0.9", ""] {
        let all = problems(format!("[limits]\nexempt = [\"{bad}\"]\n"));
        assert!(all[0].contains("expected a list of networks such as"), "{all:?}");
    }
    let twice = problems("[limits]\nexempt = [\"192.0.2.1\", \"192.0.2.1/32\"]\n");
    assert!(twice[0].ends_with("; it stands there twice"), "{twice:?}");
}

#[test]
fn expires_that_are_out_of_order_are_told_with_where_they_were_set() {
    assert_problem(
        "[registrar]\nmin_expires = 4000\n",
        "[registrar] min_expires = 4000 (f.toml:2) is greater than [registrar] default_expires = 3600 (the default); \
         expected min_expires <= default_expires <= max_expires",
    );
    let all = problems("[registrar]\ndefault_expires = 100\nmax_expires = 99\n");
    assert!(
        all[0].contains("default_expires = 100 (f.toml:2) is greater than [registrar] max_expires = 99"),
        "{all:?}"
    );
    assert!(file("[registrar]\nmin_expires = 60\ndefault_expires = 60\nmax_expires = 60\n").is_ok());
}

#[test]
fn the_api_token_comes_from_the_environment_only_and_is_never_shown() {
    let all = problems("[account]\nauth_token = \"tell-nobody\"\n");
    assert!(all[0].contains("set the environment variable SIPWARD_ACCOUNT_AUTH_TOKEN"), "{all:?}");
    assert!(!all[0].contains("tell-nobody"));
    let config = environment(&[("SIPWARD_ACCOUNT_AUTH_TOKEN", "tell-nobody")]).unwrap();
    assert_eq!(config.account.auth_token.as_ref().map(Secret::reveal), Some("tell-nobody"));
    assert!(!format!("{config:?}{}", config.summary()).contains("tell-nobody"));
    for bad in ["short77", "with blank", "\u{e9}l\u{e8}vation-8"] {
        let all = environment(&[("SIPWARD_ACCOUNT_AUTH_TOKEN", bad)]).unwrap_err();
        let found = format!("found a secret of {} characters (not shown)", bad.chars().count());
        assert!(all[0].contains(&found) && !all[0].contains(bad), "{all:?}");
    }
}

#[test]
fn the_nonce_key_is_64_hexadecimal_digits_and_never_shown() {
    let key = "5e".repeat(32);
    let config = file(format!("[digest]\nnonce_key = \"{key}\"\n")).unwrap();
    let shown = format!("{config:?}{}", config.summary());
    assert!(!shown.contains("5e5e") && !shown.contains("94, 94"), "{shown}");
    for bad in [&"5e".repeat(31), "zz", &format!("{}zz", "5e".repeat(31))] {
        let all = problems(format!("[digest]\nnonce_key = \"{bad}\"\n"));
        assert!(all[0].contains("expected 64 hexadecimal digits") && !all[0].contains(bad), "{all:?}");
    }
    assert!(!problems("[digest]\nnonce_key = 5555555555\n")[0].contains("5555"));
}

#[test]
fn the_auth_id_fits_into_a_path_and_a_realm() {
    assert!(file(format!("[account]\nauth_id = \"{}\"\n", "A".repeat(64))).is_ok());
    for bad in ["", "MA-1", "MA 1", &"A".repeat(65)] {
        let all = problems(format!("[account]\nauth_id = \"{bad}\"\n"));
        assert!(all[0].contains("expected 1 to 64 letters, digits and underscores"), "{all:?}");
    }
}

#[test]
fn words_that_are_none_are_told_with_the_nearest_one() {
    assert_eq!(hint("default_trunk", "auth_policy_call", "\"ip-only\""), "did you mean \"ip_only\"?");
    let none = problems("[default_trunk]\nauth_policy_register = \"nothing\"\n");
    assert!(none[0].contains("one of \"all\", \"any\", \"ip_only\", \"digest_only\""), "{none:?}");
    assert!(problems("[log]\nformat = \"xml\"\n")[0].contains("expected \"human\" or \"json\""));
}

#[test]
fn a_misspelt_log_level_is_not_taken_for_a_module() {
    assert_eq!(hint("log", "level", "\"inof\""), "did you mean \"info\"?");
    assert_eq!(problems("[log]\nlevel = \"\"\n").len(), 1);
    assert_eq!(problems("[log]\nlevel = \"sipward=loud\"\n").len(), 1);
    for good in ["DEBUG", "off", "warn,sipward::api=trace"] {
        assert!(environment(&[("SIPWARD_LOG_LEVEL", good)]).is_ok(), "{good}");
    }
}
