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
    other.write_all(&message("press 32")).unwrap();
    eventually("all wait", || server.count("stream_messages_sent") >= 32 + 3);
    drop(silent);
    eventually("the last of them fails in its own shard", || server.has_noted("failed 31 1"));
    eventually("it is counted", || server.count("stream_sends_failed") > 0);
}
