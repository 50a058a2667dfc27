//! What it costs to read a message: this server's reader and rsip's, on the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sipward::message::{Head, Request, second_reader};

/// A REGISTER with a digest answer, as a desk phone sends it: about 700 bytes.
fn register() -> String {
    "REGISTER sip:sip.example.com SIP/2.0\r\n\
     Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8f3c2a1b0d9e4f56;rport\r\n\
     Max-Forwards: 70\r\n\
     Contact: <sip:alice@192.0.2.10:5060;rinstance=0d2f4a6c8e1b3d5f>;expires=3600\r\n\
     To: \"Alice\" <sip:alice@sip.example.com>\r\n\
     From: \"Alice\" <sip:alice@sip.example.com>;tag=7c1e9a3b\r\n\
     Call-ID: 84219NzE5ZTM2YzQ1ODdjMWFiZGU\r\n\
     CSeq: 2 REGISTER\r\n\
     Expires: 3600\r\n\
     User-Agent: SomePhone 1.2.3\r\n\
     Authorization: Digest username=\"alice\",realm=\"MA_LOCAL.sipward.invalid\",nonce=\"AWqxN5AAAFQ0c3RyYW5nZXNhbHQ7bWFjbWFjbWFjbWFj\",uri=\"sip:sip.example.com\",response=\"6629fae49393a05397450978507c4ef1\",cnonce=\"0a4f113b\",nc=00000001,qop=auth,algorithm=MD5\r\n\
     Content-Length: 0\r\n\r\n"
        .to_owned()
}

const SDP: &str = "v=0\r\no=- 3904 3904 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn invite(vias: usize) -> String {
    let vias: String = (0..vias)
        .map(|number| format!("Via: SIP/2.0/UDP proxy{number}.example.com:5060;branch=z9hG4bK-{number:08x}-1---8f3c2a1b0d9e4f56;received=192.0.2.{number}\r\n"))
        .collect();
    format!(
        "INVITE sip:bob@sip.example.com SIP/2.0\r\n{vias}Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.10:5060>\r\nTo: <sip:bob@sip.example.com>\r\nFrom: \"Alice\" <sip:alice@sip.example.com>;tag=7c1e9a3b\r\nCall-ID: 84219NzE5ZTM2YzQ1ODdjMWFiZGU\r\nCSeq: 2 INVITE\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, INFO, SUBSCRIBE\r\nContent-Type: application/sdp\r\nUser-Agent: SomePhone 1.2.3\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, text) in [("register_with_digest", register()), ("invite_with_sdp", invite(1)), ("34_vias", invite(34))]
    {
        let bytes = text.into_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("sipward", name), &bytes, |bencher, bytes| {
            bencher.iter(|| {
                let head = Head::read(black_box(bytes)).ok()?;
                let request = Request::parse(head, false).ok()?;
                Some(black_box(request).cseq)
            });
        });
        group.bench_with_input(BenchmarkId::new("rsip", name), &bytes, |bencher, bytes| {
            bencher.iter(|| black_box(second_reader::read(black_box(bytes)).is_ok()));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
