//! Durations as arguments have them.

use std::time::Duration;

/// Parses `250ms`, `10s`, `5m` or `1h`.
///
/// # Errors
/// With a text that says what was expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let number: u32 = number.parse().map_err(|_| "expected a number with a unit, such as 10s".to_owned())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err("expected a unit of ms, s, m or h, such as 10s".to_owned()),
    };
    Ok(unit * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("1h"), Ok(Duration::from_hours(1)));
        for bad in ["", "10", "s", "10 s", "1.5s", "-1s", "99999999999s"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
