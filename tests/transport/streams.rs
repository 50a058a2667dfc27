//! Streams that end, and what waits for them in other shards.

use super::*;

#[test]
fn requests_that_wait_in_the_queue_of_another_shard_fail_in_their_own_when_the_stream_ends() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| {
        settings.workers = 2;
        settings.tcp_write_queue_bytes = 64 << 20;
    });
    let mut silent = server.connect_to_shard(0, 0);
    silent.write_all(&message("keep")).unwrap();
    expect(&mut silent, &message("kept 0"));
    let mut other = server.connect_to_shard(0, 1);
    // More than the kernel takes, and in pieces that find room in the inbox.
    let before = server.count("stream_messages_sent");
    for round in 1..=3 {
        other.write_all(&message("press 12")).unwrap();
        eventually("all wait", || server.count("stream_messages_sent") >= before + 12 * round);
    }
    assert!(!server.has_noted("failed 11 1"));
    drop(silent);
    eventually("the last of them fails in its own shard", || server.has_noted("failed 11 1"));
    eventually("it is counted", || server.count("stream_sends_failed") > 0);
}

/// Notes of one stream at one shard, in order, such as "told" and "closed".
fn notes_of(server: &Server, stream: &str) -> Vec<String> {
    let log = server.log.lock().unwrap();
    log.iter().filter_map(|note| note.strip_suffix(stream)).map(|what| what.trim_end().to_owned()).collect()
}

#[test]
fn every_shard_hears_that_a_stream_has_closed_and_after_all_that_came_on_it() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.workers = 2);
    for round in 1..=10_u64 {
        let mut stream = server.connect(0);
        stream.write_all(&[message("tell 0"), message("tell 1")].concat().repeat(200)).unwrap();
        drop(stream);
        for shard in 0..2 {
            let closings = || {
                let log = server.log.lock().unwrap();
                let at = format!(" at {shard}");
                log.iter().filter(|note| note.starts_with("closed") && note.ends_with(&at)).count()
            };
            eventually("it hears", || closings() == usize::try_from(round).unwrap());
        }
    }
    let closed: Vec<_> = {
        let log = server.log.lock().unwrap();
        log.iter().filter_map(|note| note.strip_prefix("closed")).map(str::to_owned).collect()
    };
    assert_eq!(closed.len(), 20);
    for stream in closed {
        let notes = notes_of(&server, &stream);
        assert_eq!((notes.len(), notes.last().map(String::as_str)), (201, Some("closed")), "{stream}");
    }
}

#[test]
fn a_shard_whose_inbox_is_full_hears_of_a_closed_stream_when_it_has_room_again() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.workers = 2);
    let mut stream = server.connect_to_shard(0, 0);
    stream.write_all(&[message("tell 0"), message("sleep 1 700")].concat()).unwrap();
    eventually("it sleeps", || server.has_noted("asleep 1"));
    stream.write_all(&message("tell 1").repeat(5_000)).unwrap();
    eventually("its inbox is full", || server.count("inbox_full") > 0);
    drop(stream);
    let told = server.log.lock().unwrap().iter().find(|note| note.starts_with("told")).cloned().unwrap();
    let own = told.replace("told", "closed");
    let other = own.replace("at 0", "at 1");
    eventually("its own shard hears", || server.has_noted(&own));
    assert!(!server.has_noted(&other), "the other still sleeps");
    eventually("the other hears as well", || server.has_noted(&other));
}

#[test]
fn a_stream_without_a_message_is_not_told_of_to_other_shards() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.workers = 2);
    let mut speaking = server.connect(0);
    drop(server.connect(0));
    eventually("it is closed", || server.count("connections_closed_by_peer") == 1);
    speaking.write_all(&message("which")).unwrap();
    drop(speaking);
    eventually("three notes", || server.log.lock().unwrap().len() == 3);
    sleep(Duration::from_millis(50));
    assert_eq!(server.log.lock().unwrap().len(), 3, "one for the silent stream and two for the other");
}

#[test]
fn a_response_whose_stream_has_closed_takes_another_to_the_same_peer() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let server = Server::start(&[&format!("tcp:{address}")], |settings| settings.workers = 2);
        let phone = TcpListener::bind(address).unwrap();
        let mut stream = server.connect(0);
        stream.write_all(&message(&format!("ring 200 {}", phone.local_addr().unwrap()))).unwrap();
        drop(stream);
        let (mut stream, from) = phone.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        expect(&mut stream, &message("ringing"));
        assert_eq!(from.ip(), server.address(0).ip());
        stream.write_all(&message("echo answer")).unwrap();
        expect(&mut stream, &message("echo answer"));
        eventually("it is counted", || server.count("responses_on_another_stream") == 1);
    }
}

#[test]
fn responses_for_a_closed_stream_of_any_shard_share_the_one_that_replaces_it() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.workers = 2);
    let client = udp_client("127.0.0.1:0");
    for shard in 0..2 {
        let phone = TcpListener::bind("127.0.0.1:0").unwrap();
        let late = message(&format!("late {shard} {}", phone.local_addr().unwrap()));
        for _ in 0..3 {
            client.send_to(&late, server.address(0)).unwrap();
        }
        let (mut stream, _) = phone.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        expect(&mut stream, &message("late").repeat(3));
    }
    eventually("one each", || server.count("connections_connected") == 2);
    assert_eq!(server.count("responses_on_another_stream"), 6);
}

#[test]
fn a_response_that_reaches_nobody_is_counted_and_dropped() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.workers = 2);
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = udp_client("127.0.0.1:0");
    for shard in 0..2 {
        client.send_to(&message(&format!("late {shard} {refusing}")), server.address(0)).unwrap();
    }
    eventually("both are counted", || server.count("stream_sends_failed") == 2);
    assert_eq!(server.count("connections_open"), 0);
    assert!(server.log.lock().unwrap().iter().all(|note| !note.starts_with("failed")));
}

#[test]
fn messages_on_a_stream_that_was_opened_here_arrive_at_the_address_that_is_listened_on() {
    for (listener, phone) in
        [("127.0.0.1:0", "127.0.0.1:0"), ("0.0.0.0:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0"), ("[::]:0", "[::1]:0")]
    {
        let server = Server::start(&["udp:127.0.0.1:0", &format!("tcp:{listener}")], |_| {});
        let phone = TcpListener::bind(phone).unwrap();
        let at = SocketAddr::new(phone.local_addr().unwrap().ip(), server.address(1).port());
        let call = message(&format!("call {} come", phone.local_addr().unwrap()));
        udp_client("127.0.0.1:0").send_to(&call, server.address(0)).unwrap();
        let (mut stream, _) = phone.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        expect(&mut stream, &message("come"));
        stream.write_all(&message("where")).unwrap();
        expect(&mut stream, &message(&format!("at {at}")));
    }
}

#[test]
fn streams_on_which_nothing_was_accepted_are_closed_early_and_keep_alives_do_not_help() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.tcp_unproven_idle_s = 1);
    let started_at = Instant::now();
    let mut useless = [&b""[..], &message("answer 403 INVITE"), &message("answer 200 OPTIONS")].map(|first| {
        let mut stream = server.connect(0);
        stream.write_all(first).unwrap();
        stream
    });
    let mut useful = ["answer 100 INVITE", "answer 200 REGISTER", "echo request"].map(|first| {
        let mut stream = server.connect(0);
        stream.write_all(&message(first)).unwrap();
        stream
    });
    while started_at.elapsed() < Duration::from_millis(900) {
        for stream in &mut useless {
            stream.write_all(b"\r\n\r\n").unwrap();
        }
        sleep(Duration::from_millis(100));
    }
    eventually("they are closed", || server.count("connections_closed_unproven") == 3);
    assert!(started_at.elapsed() >= Duration::from_secs(1));
    for stream in &mut useless {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    for stream in &mut useful {
        stream.write_all(&message("echo still here")).unwrap();
        let mut all = Vec::new();
        while !all.ends_with(&message("echo still here")) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            all.extend_from_slice(&byte);
        }
    }
}

#[test]
fn when_all_places_are_taken_the_oldest_stream_that_has_shown_nothing_gives_way() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| {
        settings.workers = 2;
        settings.tcp_max_connections = 3;
    });
    let serve = |stream: &mut TcpStream| {
        stream.write_all(&message("echo hi")).unwrap();
        expect(stream, &message("echo hi"));
    };
    let mut first = server.connect(0);
    serve(&mut first);
    let mut silent = [2, 3].map(|open| {
        let stream = server.connect(0);
        eventually("it is open", || server.count("connections_open") == open);
        stream
    });
    let mut newcomers = Vec::new();
    for (given_way, oldest) in (1..).zip(&mut silent) {
        let mut newcomer = server.connect(0);
        serve(&mut newcomer);
        assert!(is_closed(oldest));
        eventually("it is counted", || server.count("connections_closed_gave_way") == given_way);
        newcomers.push(newcomer);
    }
    assert!(is_closed(&mut server.connect(0)), "all that are open have shown something");
    assert_eq!(server.count("connections_refused_full"), 1);
    serve(&mut first);
}

/// In a process of its own, for a limit on descriptors counts for all threads of one.
#[test]
fn streams_are_accepted_again_when_descriptors_have_run_out_and_there_are_some() {
    const LIMITED: &str = "SIPWARD_TEST_WITH_FEW_DESCRIPTORS";
    if std::env::var_os(LIMITED).is_some() {
        return run_out_of_descriptors();
    }
    let own_name = "streams::streams_are_accepted_again_when_descriptors_have_run_out_and_there_are_some";
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 100 && exec \"$0\" --exact --nocapture \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(own_name)
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(
        limited.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&limited.stderr)
    );
}

fn run_out_of_descriptors() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |_| {});
    let mut served = server.connect(0);
    served.write_all(&message("echo hi")).unwrap();
    expect(&mut served, &message("echo hi"));
    let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let hogs: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    client.connect(&server.address(0).into()).unwrap();
    eventually("accepting fails", || server.count("accepts_failed") > 0);
    sleep(Duration::from_millis(500));
    assert!(server.count("accepts_failed") < 10, "it is not tried again and again");
    served.write_all(&message("echo served meanwhile")).unwrap();
    expect(&mut served, &message("echo served meanwhile"));
    drop(hogs);
    let mut waiting = TcpStream::from(client);
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting.write_all(&message("echo at last")).unwrap();
    expect(&mut waiting, &message("echo at last"));
}
