//! Date.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{decimal, text, trim};
use crate::{Output, ParseError, Value};

/// When a message was made, in GMT (RFC 3261 §20.17).
///
/// ```
/// use ringback_message::header::{Date, Header};
///
/// let date = Date::parse(b"Sat, 13 Nov 2010 23:29:00 GMT")?;
/// assert_eq!(date.unix(), 1_289_690_940);
/// assert_eq!(Date::from_unix(0).to_string(), "Thu, 01 Jan 1970 00:00:00 GMT");
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u64);

/// The last second that four digits of a year can tell.
const LATEST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Date {
    /// The date of so many seconds since the beginning of 1970; what lies behind the year 9999 is its end.
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.min(LATEST))
    }

    /// Seconds since the beginning of 1970.
    pub fn unix(self) -> u64 {
        self.0
    }

    /// The date as bodies and logs have it (RFC 3339): `2010-11-13T23:29:00Z`.
    pub fn rfc3339(self) -> String {
        let (year, month, day) = self.civil();
        let second = self.0 % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, day + 1)
    }

    /// The year, and month and day counted from 0.
    fn civil(self) -> (u64, u64, u64) {
        let days = self.0 / DAY;
        // A few years too early at most.
        let mut year = 1970 + days / 366;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let mut day = days - days_before_year(year);
        let mut month = 0;
        while day >= days_in(year, month) {
            day -= days_in(year, month);
            month += 1;
        }
        (year, month, day)
    }
}

impl<'a> Header<'a> for Date {
    const ID: HeaderId = HeaderId::DATE;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let text = text(trim(value), 0, "SIP-date")?;
        read(text).ok_or(ParseError::new(0, "SIP-date"))
    }
}

/// Reads `wkday "," SP date1 SP time SP "GMT"`. The day of the week must be right.
fn read(text: &str) -> Option<Date> {
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?.strip_suffix(',')?;
    let day = number(words.next()?, 2)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u64;
    let year = number(words.next()?, 4).filter(|year| *year >= 1970)?;
    let mut clock = words.next()?.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let rest = (clock.next(), words.next(), words.next());
    let (None, Some(zone), None) = rest else { return None };
    // A leap second is told as 60.
    if !zone.eq_ignore_ascii_case("GMT") || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if day == 0 || day > days_in(year, month) {
        return None;
    }
    let days = days_before_year(year) + (0..month).map(|month| days_in(year, month)).sum::<u64>() + day - 1;
    if !DAYS[(days % 7) as usize].eq_ignore_ascii_case(weekday) {
        return None;
    }
    Some(Date::from_unix(days * DAY + hour * 3600 + minute * 60 + second))
}

fn number(text: &str, digits: usize) -> Option<u64> {
    decimal::<u64>(text.as_bytes()).filter(|_| text.len() == digits)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The days of a month, the first of which is 0.
fn days_in(year: u64, month: u64) -> u64 {
    match month {
        1 => 28 + u64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// The days from the beginning of 1970 to that of a year.
fn days_before_year(year: u64) -> u64 {
    let leap_years = |before: u64| {
        let last = before - 1;
        last / 4 - last / 100 + last / 400
    };
    (year - 1970) * 365 + leap_years(year) - leap_years(1970)
}

impl Value for Date {
    fn write(&self, out: &mut Output) {
        let (year, month, day) = self.civil();
        let two = |out: &mut Output, number: u64| {
            out.push(b'0' + (number / 10) as u8);
            out.push(b'0' + (number % 10) as u8);
        };
        out.extend_from_slice(DAYS[(self.0 / DAY % 7) as usize].as_bytes());
        out.extend_from_slice(b", ");
        two(out, day + 1);
        out.push(b' ');
        out.extend_from_slice(MONTHS[month as usize].as_bytes());
        out.push(b' ');
        out.push_number(year);
        let second = self.0 % DAY;
        for (mark, number) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
            out.push(mark);
            two(out, number);
        }
        out.extend_from_slice(b" GMT");
    }
}

displayed_as_written!(Date);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dates_are_read_as_they_are_written(seconds in 0..=LATEST) {
            let date = Date::from_unix(seconds);
            prop_assert_eq!(Date::parse(date.to_string().as_bytes()), Ok(date));
        }
    }

    #[test]
    fn bodies_have_dates_of_their_own() {
        assert_eq!(Date::from_unix(1_289_690_940).rfc3339(), "2010-11-13T23:29:00Z");
        assert_eq!(Date::from_unix(951_782_400).rfc3339(), "2000-02-29T00:00:00Z");
        assert_eq!(Date::from_unix(u64::MAX).rfc3339(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn rule_64_the_comma_belongs_to_the_date() {
        for (text, seconds) in [
            ("Thu, 21 Feb 2002 13:02:03 GMT", 1_014_296_523),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", LATEST),
            ("sat, 13 nov 2010 23:29:00 gmt", 1_289_690_940),
        ] {
            assert_eq!(Date::parse(text.as_bytes()).map(Date::unix), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Mon, 13 Nov 2010 23:29:00 GMT",
            "Sun, 29 Feb 2001 00:00:00 GMT",
            "Sat, 13 Nov 2010 24:00:00 GMT",
            "Sat, 13 Nov 10 23:29:00 GMT",
            "Sat, 13 Nov 2010 23:29 GMT",
            "Sat 13 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 23:29:00 GMT x",
            "",
        ] {
            assert!(Date::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
