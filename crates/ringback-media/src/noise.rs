//! Comfort noise: what is heard while the sender pauses (RFC 3389).

/// Reflection coefficients that are used; the spectrum of a room has no more than that to tell.
const MAX_ORDER: usize = 12;
/// How much of the way to a new level goes by in a sample, so that noise swells and does not jump.
const APPROACH: f32 = 0.002;

/// Makes noise of a level and a spectrum that the sender describes.
#[derive(Clone, Debug)]
pub(crate) struct ComfortNoise {
    /// The root mean square that is aimed at, and the present one.
    wanted: f32,
    present: f32,
    /// The coefficients of the lattice, and what makes its output as strong as its input.
    reflections: Vec<f32>,
    gain: f32,
    /// The backward errors of the lattice.
    state: Vec<f32>,
    seed: u32,
}

impl ComfortNoise {
    /// Silence, until a description comes.
    pub(crate) fn new() -> Self {
        Self { wanted: 0.0, present: 0.0, reflections: Vec::new(), gain: 1.0, state: Vec::new(), seed: 1 }
    }

    /// Takes the payload of a packet of comfort noise: a level, 0 to 127 below overload, and any number of reflection
    /// coefficients (RFC 3389 §3). An empty one changes nothing.
    pub(crate) fn describe(&mut self, payload: &[u8]) {
        let [level, coefficients @ ..] = payload else { return };
        let decibels = f32::from(level & 0x7f);
        self.wanted = f32::from(i16::MAX) * 10_f32.powf(-decibels / 20.0);
        self.reflections.clear();
        // RFC 3389 §3.2: -1 to 1 in 254 steps. Short of the ends, which would ring for ever.
        let reflection = |octet: &u8| ((f32::from(*octet) - 127.0) / 128.0).clamp(-0.95, 0.95);
        self.reflections.extend(coefficients.iter().take(MAX_ORDER).map(reflection));
        self.gain = self.reflections.iter().map(|it| (1.0 - it * it).sqrt()).product();
        self.state.clear();
        self.state.resize(self.reflections.len() + 1, 0.0);
    }

    /// Appends `length` samples.
    pub(crate) fn make(&mut self, length: usize, out: &mut Vec<i16>) {
        out.extend((0..length).map(|_| {
            self.present += (self.wanted - self.present) * APPROACH;
            let excitation = self.draw() * self.gain;
            (self.shape(excitation) * self.present) as i16
        }));
    }

    /// White noise with a root mean square of one.
    fn draw(&mut self) -> f32 {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Evenly over -1 to 1, whose root mean square is the root of a third.
        (self.seed as i32 as f32 / -(i32::MIN as f32)) * 3_f32.sqrt()
    }

    /// The all-pole lattice of the reflection coefficients.
    fn shape(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for at in (0..self.reflections.len()).rev() {
            forward -= self.reflections[at] * self.state[at];
            self.state[at + 1] = self.state[at] + self.reflections[at] * forward;
        }
        if let Some(first) = self.state.first_mut() {
            *first = forward;
        }
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(samples: &[i16]) -> f64 {
        (samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    fn made(payload: &[u8], length: usize) -> Vec<i16> {
        let mut noise = ComfortNoise::new();
        noise.describe(payload);
        let mut out = Vec::new();
        noise.make(length, &mut out);
        out.split_off(4_000)
    }

    #[test]
    fn noise_is_as_loud_as_described() {
        for (level, expected) in [(30, 1_036.0), (50, 103.6), (20, 3_276.0)] {
            for coefficients in [&[][..], &[180], &[60, 200, 100]] {
                let samples = made(&[&[level], coefficients].concat(), 40_000);
                let ratio = 20.0 * (rms(&samples) / expected).log10();
                assert!(ratio.abs() < 1.5, "-{level} dB with {coefficients:?}: {ratio:.1} dB off");
            }
        }
        assert!(made(&[127], 8_000).iter().all(|it| *it == 0));
    }

    #[test]
    fn reflections_colour_it() {
        // A first coefficient of about -0.8 is a low-pass: neighbours are alike.
        let alike = |samples: &[i16]| {
            let product: f64 = samples.windows(2).map(|it| f64::from(it[0]) * f64::from(it[1])).sum();
            product / samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>()
        };
        let (low, white, high) = (made(&[30, 25], 20_000), made(&[30], 20_000), made(&[30, 229], 20_000));
        assert!(alike(&low) > 0.7 && alike(&white).abs() < 0.1 && alike(&high) < -0.7);
    }

    #[test]
    fn any_description_stays_finite() {
        for octet in [0, 127, 255] {
            let samples = made(&[&[0][..], &[octet; 200]].concat(), 20_000);
            assert!(rms(&samples) <= f64::from(i16::MAX) + 1.0);
        }
    }
}
