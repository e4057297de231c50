//! `SIP-date` (RFC 3261 §25.1, §20.17).

use super::scan::{Check, Fault, Scan};

const SECTION: &str = "RFC 3261 §20.17";
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `wkday "," SP 2DIGIT SP month SP 4DIGIT SP time SP "GMT"`.
pub(super) fn date(scan: &mut Scan<'_, '_>) -> Check {
    let fault =
        |what| Fault::new("SIP-date", what).by(SECTION).help("write it as `Sat, 13 Nov 2010 23:29:00 GMT`");
    let Ok(text) = std::str::from_utf8(scan.text) else { return scan.fail(fault("this is no date")) };
    let words: Vec<&str> = text.splitn(7, ' ').collect();
    let [day_name, day, month, year, time, zone] = words[..] else {
        return scan.fail(fault("this is no date of six words with single spaces between them"));
    };
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let mut wrong = |word: &str, what| scan.note(place(word), word.len().max(1), fault(what));
    if zone != "GMT" {
        wrong(zone, "the time zone is not GMT");
    }
    let digits = |word: &str, count: usize| -> Option<u32> {
        (word.len() == count && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.parse().ok())?
    };
    let clock: Vec<Option<u32>> = time.split(':').take(4).map(|part| digits(part, 2)).collect();
    match clock[..] {
        [Some(0..=23), Some(0..=59), Some(0..=60)] => {}
        _ => wrong(time, "this is no time of day"),
    }
    let month_number = MONTHS.iter().position(|known| *known == month);
    if month_number.is_none() {
        wrong(month, "this is no month");
    }
    let week_day = day_name.strip_suffix(',').and_then(|name| DAYS.iter().position(|known| *known == name));
    if week_day.is_none() {
        wrong(day_name, "this is no day of the week with a comma behind it");
    }
    let (Some(day_number), Some(year_number)) = (digits(day, 2), digits(year, 4)) else {
        wrong(day, "two digits for the day and four for the year belong here");
        return Ok(());
    };
    if let (Some(month), Some(week_day)) = (month_number, week_day) {
        if day_number == 0 || day_number > days_in(month, year_number) {
            wrong(day, "the month has no such day");
        } else if week_day != day_of_week(day_number, month, year_number) {
            wrong(day_name, "it was another day of the week");
        }
    }
    Ok(())
}

fn days_in(month: usize, year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        1 => 28 + u32::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Counted from Monday. Sakamoto's rule.
fn day_of_week(day: u32, month: usize, year: u32) -> usize {
    const OFFSETS: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 2 { year.max(1) - 1 } else { year };
    let from_sunday = (year + year / 4 - year / 100 + year / 400 + OFFSETS[month] + day) % 7;
    (from_sunday as usize + 6) % 7
}
