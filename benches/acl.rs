//! What one decision by IP ACL costs with few and with very many entries.

use std::hint::black_box;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipnet::IpNet;
use sipward::acl::{Acl, Entry, Rule};
use uuid::Uuid;

/// Spreads consecutive numbers over all addresses, the same on every run.
fn spread(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(number.wrapping_mul(0x9e37_79b9))
}

fn acl_of(entries: u32) -> Acl {
    let nets = (0..entries).filter_map(|number| {
        let length = u8::try_from(16 + number % 17).ok()?;
        IpNet::new(IpAddr::V4(spread(number)), length).ok()
    });
    let entries = nets.map(|net| Entry {
        id: Uuid::nil(),
        net: net.trunc(),
        rule: if net.prefix_len() % 4 == 0 { Rule::Deny } else { Rule::Allow },
        may_register: Box::default(),
    });
    Acl::new(entries.collect())
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acl/decide");
    for entries in [10, 1_000, 100_000] {
        let acl = acl_of(entries);
        let mut number = 0_u32;
        group.bench_function(BenchmarkId::from_parameter(entries), |bencher| {
            bencher.iter(|| {
                number = number.wrapping_add(1);
                black_box(acl.decide(IpAddr::V4(spread(number % (entries * 2)))));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
