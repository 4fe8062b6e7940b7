use proptest::prelude::*;

use super::*;

/// Generation, number, and which part of how many.
fn correlation(packet: &Packet) -> (u64, u32, Option<(u16, u16)>) {
    let bytes = &packet.correlation[..];
    let short = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let generation = u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"));
    let number = u32::from_be_bytes(bytes[8..12].try_into().expect("4 bytes"));
    let part = match bytes.len() {
        12 => None,
        16 => Some((short(12), short(14))),
        other => panic!("{other} bytes"),
    };
    (generation, number, part)
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn small_fragments_share_a_message_and_large_ones_are_cut() {
    let mut packer = Packer::new(1000);
    let packets = packer.messages(7, [400, 600, 1, 2500, 10, 1000].map(bytes));
    let sizes: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(sizes, [1000, 1, 1000, 1000, 500, 10, 1000]);
    let parts: Vec<_> = packets.iter().map(|packet| correlation(packet).2).collect();
    assert_eq!(parts, [None, None, Some((0, 3)), Some((1, 3)), Some((2, 3)), None, None]);
}

#[test]
fn numbers_run_on_within_a_generation_and_begin_anew_with_the_next() {
    let mut packer = Packer::new(1000);
    let numbers = |packets: Vec<Packet>| packets.iter().map(|packet| correlation(packet).1).collect::<Vec<_>>();
    assert_eq!(numbers(packer.messages(7, [bytes(10)])), [0]);
    assert_eq!(numbers(packer.messages(7, [bytes(2000)])), [1, 2]);
    assert_eq!(numbers(packer.messages(7, [])), [0; 0]);
    assert_eq!(numbers(packer.messages(8, [bytes(10)])), [0]);
}

#[test]
fn correlation_data_is_big_endian() {
    let mut packer = Packer::new(512);
    let packets = packer.messages(0x0102_0304_0506_0708, [bytes(1), bytes(513)]);
    assert_eq!(packets[0].correlation[..], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
    assert_eq!(packets[2].correlation[..], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 2, 0, 1, 0, 2]);
}

#[test]
fn nothing_is_copied_but_to_join_it() {
    let (one, large) = (bytes(600), bytes(2500));
    let packets = Packer::new(1000).messages(1, [one.clone(), large.clone()]);
    assert_eq!(packets[0].payload.as_ptr(), one.as_ptr());
    assert_eq!(packets[2].payload.as_ptr(), large[1000..].as_ptr());
}

proptest! {
    #[test]
    fn reassembly_gives_the_fragments_back(
        calls in proptest::collection::vec(proptest::collection::vec(0_usize..6000, 0..12), 1..6),
        max in 0_usize..5000,
    ) {
        let mut packer = Packer::new(max);
        let mut next = 0;
        for sizes in calls {
            let fragments: Vec<_> = sizes.iter().copied().map(bytes).collect();
            let packets = packer.messages(3, fragments.clone());
            let whole: Vec<u8> = packets.iter().flat_map(|packet| packet.payload.to_vec()).collect();
            prop_assert_eq!(whole, fragments.concat());
            let mut expected_part = None;
            for packet in &packets {
                let (generation, number, part) = correlation(packet);
                prop_assert_eq!((generation, number), (3, next));
                next += 1;
                prop_assert!(!packet.payload.is_empty() && packet.payload.len() <= max.max(512));
                if let Some((index, count)) = part {
                    prop_assert!(count >= 2 && index < count);
                    prop_assert_eq!((index, count), expected_part.unwrap_or((0, count)));
                    expected_part = (index + 1 < count).then_some((index + 1, count));
                } else {
                    prop_assert_eq!(expected_part, None);
                }
            }
            prop_assert_eq!(expected_part, None, "no fragment ends in another call");
            // Neighbours that would fit into one message are in one.
            for pair in packets.windows(2) {
                if let (None, None) = (correlation(&pair[0]).2, correlation(&pair[1]).2) {
                    let first = sizes_until(&fragments, &packets, &pair[1]);
                    prop_assert!(pair[0].payload.len() + first > max.max(512));
                }
            }
        }
    }
}

/// Size of the fragment with which a packet begins.
fn sizes_until(fragments: &[Bytes], packets: &[Packet], packet: &Packet) -> usize {
    let before: usize = packets.iter().take_while(|other| *other != packet).map(|other| other.payload.len()).sum();
    let mut at = 0;
    let first = fragments.iter().find(|fragment| {
        let begins = at == before && !fragment.is_empty();
        at += fragment.len();
        begins
    });
    first.map_or(usize::MAX / 2, Bytes::len)
}
