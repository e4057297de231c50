//! The tones of countries: ITU-T E.180 supplement 2 ("various tones used in national networks"), as far as it is known to be
//! in use; where several are, the one that most callers hear. Tones that end by themselves there are repeated here.

use super::{Country, Step};

/// One tone, for so many milliseconds; 0 is for ever.
const fn on(hertz: u16, millis: u16) -> Step {
    Step::tone(hertz, millis)
}

/// Two tones at once.
const fn pair(low: u16, high: u16, millis: u16) -> Step {
    Step::pair(low, high, millis)
}

/// One whose strength goes up and down so many times a second.
const fn shaken(hertz: u16, by: u16, millis: u16) -> Step {
    Step::modulated(hertz, by, millis)
}

/// Silence.
const fn off(millis: u16) -> Step {
    Step::silence(millis)
}

/// What special information sounds like nearly everywhere (ITU-T E.180 §5).
const INFORMATION: &[Step] = &[on(950, 330), on(1400, 330), on(1800, 330), off(1000)];

/// All countries, in the order of their codes.
pub(super) static COUNTRIES: &[Country] = &[
    // Argentina
    Country {
        code: "ar",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4500)],
        busy: &[on(425, 300), off(300)],
        congestion: &[on(425, 200), off(300)],
        call_waiting: &[on(425, 200), off(9000)],
        special_information: INFORMATION,
    },
    // Austria
    Country {
        code: "at",
        dial: &[on(420, 0)],
        ring_back: &[on(420, 1000), off(5000)],
        busy: &[on(420, 400), off(400)],
        congestion: &[on(420, 200), off(200)],
        call_waiting: &[on(420, 40), off(1960)],
        special_information: &[on(950, 330), on(1450, 330), on(1850, 330), off(1000)],
    },
    // Australia
    Country {
        code: "au",
        dial: &[pair(413, 438, 0)],
        ring_back: &[pair(413, 438, 400), off(200), pair(413, 438, 400), off(2000)],
        busy: &[on(425, 375), off(375)],
        congestion: &[on(425, 375), off(375), on(420, 375), off(375)],
        call_waiting: &[on(425, 200), off(200), on(425, 200), off(4400)],
        special_information: &[on(425, 2500), off(500)],
    },
    // Belgium
    Country {
        code: "be",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(3000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 167), off(167)],
        call_waiting: &[on(1400, 175), off(175), on(1400, 175), off(3500)],
        special_information: &[on(900, 330), on(1400, 330), on(1800, 330), off(1000)],
    },
    // Bulgaria
    Country {
        code: "bg",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[on(425, 150), off(150), on(425, 150), off(4000)],
        special_information: INFORMATION,
    },
    // Brazil
    Country {
        code: "br",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 250), off(250)],
        congestion: &[on(425, 250), off(250), on(425, 750), off(250)],
        call_waiting: &[on(425, 50), off(1000)],
        special_information: INFORMATION,
    },
    // Canada
    Country {
        code: "ca",
        dial: &[pair(350, 440, 0)],
        ring_back: &[pair(440, 480, 2000), off(4000)],
        busy: &[pair(480, 620, 500), off(500)],
        congestion: &[pair(480, 620, 250), off(250)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // Switzerland
    Country {
        code: "ch",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 200), off(200), on(425, 200), off(4000)],
        special_information: INFORMATION,
    },
    // Chile
    Country {
        code: "cl",
        dial: &[on(400, 0)],
        ring_back: &[on(400, 1000), off(3000)],
        busy: &[on(400, 500), off(500)],
        congestion: &[on(400, 200), off(200)],
        call_waiting: &[on(400, 250), off(8750)],
        special_information: &[on(950, 333), on(1400, 333), on(1800, 333), off(1000)],
    },
    // China
    Country {
        code: "cn",
        dial: &[on(450, 0)],
        ring_back: &[on(450, 1000), off(4000)],
        busy: &[on(450, 350), off(350)],
        congestion: &[on(450, 700), off(700)],
        call_waiting: &[on(450, 400), off(4000)],
        special_information: &[
            on(450, 100),
            off(100),
            on(450, 100),
            off(100),
            on(450, 100),
            off(100),
            on(450, 400),
            off(400),
        ],
    },
    // Colombia
    Country {
        code: "co",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4500)],
        busy: &[on(425, 250), off(250)],
        congestion: &[on(425, 100), off(250), on(425, 350), off(250), on(425, 650), off(250)],
        call_waiting: &[pair(400, 450, 300), off(6000)],
        special_information: INFORMATION,
    },
    // Costa Rica
    Country {
        code: "cr",
        dial: &[on(450, 0)],
        ring_back: &[on(450, 1200), off(4900)],
        busy: &[on(450, 330), off(330)],
        congestion: &[on(450, 330), off(330)],
        call_waiting: &[on(450, 150), off(150), on(450, 150), off(8000)],
        special_information: INFORMATION,
    },
    // Czechia
    Country {
        code: "cz",
        dial: &[on(425, 330), off(330), on(425, 660), off(660)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 330), off(330)],
        congestion: &[on(425, 165), off(165)],
        call_waiting: &[on(425, 330), off(9000)],
        special_information: &[on(950, 330), off(30), on(1400, 330), off(30), on(1800, 330), off(1000)],
    },
    // Germany
    Country {
        code: "de",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 480), off(480)],
        congestion: &[on(425, 240), off(240)],
        call_waiting: &[on(425, 200), off(200), on(425, 200), off(5000)],
        special_information: INFORMATION,
    },
    // Denmark
    Country {
        code: "dk",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 200), off(600), on(425, 200), off(3000)],
        special_information: INFORMATION,
    },
    // Estonia
    Country {
        code: "ee",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 300), off(300)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(950, 650), off(325), on(950, 325), off(30), on(1400, 1300), off(2600)],
        special_information: &[on(950, 650), off(325), on(950, 325), off(30), on(1400, 1300), off(2600)],
    },
    // Spain
    Country {
        code: "es",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1500), off(3000)],
        busy: &[on(425, 200), off(200)],
        congestion: &[on(425, 200), off(200), on(425, 200), off(200), on(425, 200), off(600)],
        call_waiting: &[on(425, 175), off(175), on(425, 175), off(3500)],
        special_information: INFORMATION,
    },
    // Finland
    Country {
        code: "fi",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 300), off(300)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 150), off(150), on(425, 150), off(8000)],
        special_information: &[on(950, 650), off(325), on(950, 325), off(30), on(1400, 1300), off(2600)],
    },
    // France
    Country {
        code: "fr",
        dial: &[on(440, 0)],
        ring_back: &[on(440, 1500), off(3500)],
        busy: &[on(440, 500), off(500)],
        congestion: &[on(440, 250), off(250)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // United Kingdom
    Country {
        code: "gb",
        dial: &[pair(350, 440, 0)],
        ring_back: &[pair(400, 450, 400), off(200), pair(400, 450, 400), off(2000)],
        busy: &[on(400, 375), off(375)],
        congestion: &[on(400, 400), off(350), on(400, 225), off(525)],
        call_waiting: &[on(400, 100), off(4000)],
        special_information: &[on(950, 330), off(15), on(1400, 330), off(15), on(1800, 330), off(1000)],
    },
    // Greece
    Country {
        code: "gr",
        dial: &[on(425, 200), off(300), on(425, 700), off(800)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 300), off(300)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 150), off(150), on(425, 150), off(8000)],
        special_information: INFORMATION,
    },
    // Hong Kong
    Country {
        code: "hk",
        dial: &[pair(350, 440, 0)],
        ring_back: &[pair(440, 480, 400), off(200), pair(440, 480, 400), off(3000)],
        busy: &[pair(480, 620, 500), off(500)],
        congestion: &[pair(480, 620, 250), off(250)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // Hungary
    Country {
        code: "hu",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1250), off(3750)],
        busy: &[on(425, 300), off(300)],
        congestion: &[on(425, 300), off(300)],
        call_waiting: &[on(425, 40), off(1960)],
        special_information: INFORMATION,
    },
    // Ireland
    Country {
        code: "ie",
        dial: &[on(425, 0)],
        ring_back: &[pair(400, 450, 400), off(200), pair(400, 450, 400), off(2000)],
        busy: &[on(425, 450), off(450)],
        congestion: &[on(425, 375), off(375)],
        call_waiting: &[on(425, 200), off(200), on(425, 200), off(4000)],
        special_information: INFORMATION,
    },
    // Israel
    Country {
        code: "il",
        dial: &[on(414, 0)],
        ring_back: &[on(414, 1000), off(3000)],
        busy: &[on(414, 500), off(500)],
        congestion: &[on(414, 250), off(250)],
        call_waiting: &[on(414, 100), off(100), on(414, 100), off(100), on(414, 600), off(3000)],
        special_information: &[on(1000, 330), on(1400, 330), on(1800, 330), off(1000)],
    },
    // India
    Country {
        code: "in",
        dial: &[shaken(400, 25, 0)],
        ring_back: &[shaken(400, 25, 400), off(200), shaken(400, 25, 400), off(2000)],
        busy: &[on(400, 750), off(750)],
        congestion: &[on(400, 250), off(250)],
        call_waiting: &[on(400, 200), off(100), on(400, 200), off(7500)],
        special_information: INFORMATION,
    },
    // Iran
    Country {
        code: "ir",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 240), off(240)],
        call_waiting: &[on(425, 200), off(200), on(425, 200), off(10000)],
        special_information: INFORMATION,
    },
    // Italy
    Country {
        code: "it",
        dial: &[on(425, 200), off(200), on(425, 600), off(1000)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 400), off(100), on(425, 250), off(100), on(425, 150), off(14000)],
        special_information: INFORMATION,
    },
    // What is recommended where a country has nothing else (ITU-T E.180)
    Country {
        code: "itu",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[on(425, 200), off(600), on(425, 200), off(3000)],
        special_information: INFORMATION,
    },
    // Japan
    Country {
        code: "jp",
        dial: &[on(400, 0)],
        ring_back: &[shaken(400, 16, 1000), off(2000)],
        busy: &[on(400, 500), off(500)],
        congestion: &[on(400, 500), off(500)],
        call_waiting: &[shaken(400, 16, 500), off(8000)],
        special_information: INFORMATION,
    },
    // Kenya
    Country {
        code: "ke",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 670), off(3000), on(425, 1500), off(5000)],
        busy: &[on(425, 200), off(600)],
        congestion: &[on(425, 200), off(600)],
        call_waiting: &[on(425, 200), off(600), on(425, 200), off(3000)],
        special_information: &[on(900, 750), on(1400, 750), on(1800, 750), off(1250)],
    },
    // Lithuania
    Country {
        code: "lt",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 350), off(350)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 150), off(150), on(425, 150), off(4000)],
        special_information: INFORMATION,
    },
    // Macao
    Country {
        code: "mo",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[on(425, 200), off(600)],
        special_information: &[on(950, 333), on(1400, 333), on(1800, 333), off(1000)],
    },
    // Mexico
    Country {
        code: "mx",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 250), off(250)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[on(425, 200), off(600), on(425, 200), off(10000)],
        special_information: &[on(950, 330), off(30), on(1400, 330), off(30), on(1800, 330), off(1000)],
    },
    // Malaysia
    Country {
        code: "my",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 400), off(200), on(425, 400), off(2000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 500), off(500)],
        call_waiting: &[on(425, 100), off(4000)],
        special_information: &[on(950, 330), off(15), on(1400, 330), off(15), on(1800, 330), off(1000)],
    },
    // Netherlands
    Country {
        code: "nl",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[on(425, 500), off(9500)],
        special_information: INFORMATION,
    },
    // Norway
    Country {
        code: "no",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(425, 200), off(600), on(425, 200), off(10000)],
        special_information: INFORMATION,
    },
    // New Zealand
    Country {
        code: "nz",
        dial: &[on(400, 0)],
        ring_back: &[pair(400, 450, 400), off(200), pair(400, 450, 400), off(2000)],
        busy: &[on(400, 500), off(500)],
        congestion: &[on(400, 250), off(250)],
        call_waiting: &[on(400, 200), off(3000)],
        special_information: &[
            on(400, 750),
            off(100),
            on(400, 750),
            off(100),
            on(400, 750),
            off(100),
            on(400, 750),
            off(400),
        ],
    },
    // Philippines
    Country {
        code: "ph",
        dial: &[on(425, 0)],
        ring_back: &[pair(425, 480, 1000), off(4000)],
        busy: &[pair(480, 620, 500), off(500)],
        congestion: &[pair(480, 620, 250), off(250)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // Poland
    Country {
        code: "pl",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 500), off(500)],
        call_waiting: &[on(425, 150), off(150), on(425, 150), off(4000)],
        special_information: INFORMATION,
    },
    // Portugal
    Country {
        code: "pt",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(5000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 200), off(200)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // Romania
    Country {
        code: "ro",
        dial: &[on(450, 0)],
        ring_back: &[shaken(450, 25, 1850), off(4150)],
        busy: &[on(450, 167), off(167)],
        congestion: &[on(450, 500), off(500)],
        call_waiting: &[on(450, 150), off(150), on(450, 150), off(8000)],
        special_information: INFORMATION,
    },
    // Russia
    Country {
        code: "ru",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 800), off(3200)],
        busy: &[on(425, 350), off(350)],
        congestion: &[on(425, 175), off(175)],
        call_waiting: &[on(425, 200), off(5000)],
        special_information: INFORMATION,
    },
    // Sweden
    Country {
        code: "se",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(5000)],
        busy: &[on(425, 250), off(250)],
        congestion: &[on(425, 250), off(750)],
        call_waiting: &[on(425, 200), off(500), on(425, 200), off(9100)],
        special_information: &[on(950, 332), off(24), on(1400, 332), off(24), on(1800, 332), off(2024)],
    },
    // Singapore
    Country {
        code: "sg",
        dial: &[on(425, 0)],
        ring_back: &[shaken(425, 24, 400), off(200), shaken(425, 24, 400), off(2000)],
        busy: &[on(425, 750), off(750)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[shaken(425, 24, 300), off(200), shaken(425, 24, 300), off(3200)],
        special_information: INFORMATION,
    },
    // Turkey
    Country {
        code: "tr",
        dial: &[on(450, 0)],
        ring_back: &[on(450, 2000), off(4000)],
        busy: &[on(450, 500), off(500)],
        congestion: &[
            on(450, 200),
            off(200),
            on(450, 200),
            off(200),
            on(450, 200),
            off(200),
            on(450, 600),
            off(200),
        ],
        call_waiting: &[on(450, 200), off(600), on(450, 200), off(8000)],
        special_information: &[on(950, 300), on(1400, 300), on(1800, 300), off(1000)],
    },
    // Taiwan
    Country {
        code: "tw",
        dial: &[pair(350, 440, 0)],
        ring_back: &[pair(440, 480, 1000), off(2000)],
        busy: &[pair(480, 620, 500), off(500)],
        congestion: &[pair(480, 620, 250), off(250)],
        call_waiting: &[pair(350, 440, 250), off(250), pair(350, 440, 250), off(3250)],
        special_information: INFORMATION,
    },
    // United States
    Country {
        code: "us",
        dial: &[pair(350, 440, 0)],
        ring_back: &[pair(440, 480, 2000), off(4000)],
        busy: &[pair(480, 620, 500), off(500)],
        congestion: &[pair(480, 620, 250), off(250)],
        call_waiting: &[on(440, 300), off(10000)],
        special_information: INFORMATION,
    },
    // Venezuela
    Country {
        code: "ve",
        dial: &[on(425, 0)],
        ring_back: &[on(425, 1000), off(4000)],
        busy: &[on(425, 500), off(500)],
        congestion: &[on(425, 250), off(250)],
        call_waiting: &[pair(400, 450, 300), off(6000)],
        special_information: INFORMATION,
    },
    // South Africa
    Country {
        code: "za",
        dial: &[shaken(400, 33, 0)],
        ring_back: &[shaken(400, 33, 400), off(200), shaken(400, 33, 400), off(2000)],
        busy: &[on(400, 500), off(500)],
        congestion: &[on(400, 250), off(250)],
        call_waiting: &[
            shaken(400, 33, 250),
            off(250),
            shaken(400, 33, 250),
            off(250),
            shaken(400, 33, 250),
            off(250),
            shaken(400, 33, 250),
            off(5000),
        ],
        special_information: &[on(950, 330), on(1400, 330), on(1800, 330), off(330)],
    },
];
