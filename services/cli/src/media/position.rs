//! Where a media message belongs: its Correlation Data, see proto/MQTT.md, "Media messages".

/// Correlation Data of a media message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The run of the stream.
    pub(crate) generation: u64,
    /// Place among the messages of the topic and generation.
    pub(crate) number: u32,
    /// Which part of a cut fragment.
    pub(crate) part: u16,
    /// Of how many; 1 for whole fragments.
    pub(crate) count: u16,
}

impl Position {
    /// Reads it; nothing if the message is not one of media.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (generation, rest) = data.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (part, count) = match *rest {
            [] => (0, 1),
            [a, b, c, d] => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            _ => return None,
        };
        let position =
            Self { generation: u64::from_be_bytes(*generation), number: u32::from_be_bytes(*number), part, count };
        (part < count).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_or_sixteen_bytes_are_a_position() {
        let data: Vec<u8> = (1..=16).collect();
        let whole = Position { generation: 0x0102_0304_0506_0708, number: 0x090a_0b0c, part: 0, count: 1 };
        assert_eq!(Position::read(&data[..12]), Some(whole));
        assert_eq!(Position::read(&data), Some(Position { part: 0x0d0e, count: 0x0f10, ..whole }));
        for length in [0, 8, 11, 13, 14, 15] {
            assert_eq!(Position::read(&data[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_part_beyond_the_count_is_nonsense() {
        for (part, count) in [(1, 1), (2, 1), (0, 0)] {
            let mut data = [0; 16];
            data[13] = part;
            data[15] = count;
            assert_eq!(Position::read(&data), None, "{part} of {count}");
        }
    }
}
