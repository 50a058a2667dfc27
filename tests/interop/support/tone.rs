//! Sound files: a tone to send, and whether a recording holds it.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

const RATE: u32 = 8000;
/// Samples quieter than this on average are silence.
const AUDIBLE: f64 = 500.0;

/// Writes a minute of a sine as 16-bit mono WAV at 8 kHz.
pub fn write_tone(path: &Path, hertz: f64, amplitude: f64) {
    let samples = (0..RATE * 60).map(|n| (amplitude * (TAU * hertz * f64::from(n) / f64::from(RATE)).sin()) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(data.len()).unwrap();
    let mut file = Vec::with_capacity(data.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes()); // PCM
    file.extend_from_slice(&1u16.to_le_bytes()); // mono
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(RATE * 2).to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    fs::write(path, file).expect("a tone can be written");
}

/// The seconds of a 16-bit mono WAV file in which the tone of `hertz` is loud and is nearly all that is heard.
pub fn seconds_of_tone(path: &Path, hertz: f64) -> f64 {
    let file = fs::read(path).unwrap_or_else(|error| panic!("no recording {}: {error}", path.display()));
    assert!(file.len() > 44 && file.starts_with(b"RIFF"), "{} is no WAV file", path.display());
    let rate = f64::from(u32::from_le_bytes(file[24..28].try_into().unwrap()));
    let (samples, _) = file[44..].as_chunks::<2>();
    let samples: Vec<f64> = samples.iter().map(|bytes| f64::from(i16::from_le_bytes(*bytes))).collect();
    // A tenth of a second at a time, since a recording may hold gaps.
    let heard = samples.chunks_exact((rate / 10.0) as usize).filter(|window| holds_tone(window, hertz / rate)).count();
    heard as f64 / 10.0
}

/// Goertzel's algorithm: the share of the window's power at one frequency (in cycles a sample).
fn holds_tone(window: &[f64], frequency: f64) -> bool {
    let (length, power) = (window.len() as f64, window.iter().map(|x| x * x).sum::<f64>());
    let (real, imaginary) = window.iter().zip(0u32..).fold((0.0, 0.0), |(re, im), (x, n)| {
        let (sin, cos) = (TAU * frequency * f64::from(n)).sin_cos();
        (re + x * cos, im + x * sin)
    });
    let share = 2.0 * (real * real + imaginary * imaginary) / (length * power.max(1.0));
    (power / length).sqrt() > AUDIBLE && share > 0.8
}

#[test]
fn a_tone_is_heard_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    write_tone(&path, 440.0, 12_000.0);
    assert!(seconds_of_tone(&path, 440.0) > 59.0);
    assert!(seconds_of_tone(&path, 1000.0) < 0.1);
    write_tone(&path, 440.0, 10.0);
    assert!(seconds_of_tone(&path, 440.0) < 0.1, "silence is no tone");
}
