//! One file of what was played: an init segment of all tracks, then their fragments as they come.
//!
//! Live fragments are made for appending to source buffers, and a file wants more: both tracks under one `moov`, time that
//! begins at zero, numbers that rise over all tracks, and true durations. A live fragment states half a second for its last
//! sample, so each is held until the next of its track tells how long it lasts; a whole GOP states what is true. Wall-clock
//! times (`prft`) are left out.
//!
//! A file has one `moov`: a stream whose parameters change goes on as if they had not, and says so.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use mp4_atom::{Encode as _, Moov, Mvex, Trak, Trex, TrunSamples};

use super::mp4::{AUDIO, Init, Media, Segment, VIDEO};
use crate::args::Delivery;

/// Longer than this no picture stands in the file: 10 s of 90,000 units.
const LONGEST: u64 = 900_000;

/// Makes the bytes of a file.
#[derive(Debug)]
pub(crate) struct Recorder {
    delivery: Delivery,
    /// Tracks that the stream has, by the service's answer to describe.
    expected: Vec<u32>,
    ftyp: Bytes,
    tracks: BTreeMap<u32, (Trak, Trex)>,
    moov: Moov,
    /// Decode time of the first keyframe; the file's zero.
    zero: Option<u64>,
    /// A keyframe that could not be written for want of an init segment.
    skipped_keyframe: bool,
    held: BTreeMap<u32, Media>,
    sequence: u32,
    changed: bool,
}

impl Recorder {
    /// For a stream with sound or without.
    pub(crate) fn new(delivery: Delivery, audio: bool) -> Self {
        let expected = if audio { vec![VIDEO, AUDIO] } else { vec![VIDEO] };
        Self {
            delivery,
            expected,
            ftyp: Bytes::new(),
            tracks: BTreeMap::new(),
            moov: Moov::default(),
            zero: None,
            skipped_keyframe: false,
            held: BTreeMap::new(),
            sequence: 0,
            changed: false,
        }
    }

    /// Takes what was played, and gives what is to be written.
    ///
    /// # Errors
    /// When a box cannot be written, as one with an offset beyond 2 GiB.
    pub(crate) fn push(&mut self, segment: Segment) -> Result<Bytes, mp4_atom::Error> {
        let mut out = BytesMut::new();
        match segment {
            Segment::Init(init) => self.begin(init),
            Segment::Media(media) => self.media(media, &mut out)?,
        }
        Ok(out.freeze())
    }

    /// What is still to be written at the end.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub(crate) fn finish(&mut self) -> Result<Bytes, mp4_atom::Error> {
        let mut out = BytesMut::new();
        for (track, mut media) in std::mem::take(&mut self.held) {
            // Nothing follows that would tell how long it lasts.
            if let Some(timescale) = self.timescale(track) {
                set_last_duration(&mut media, timescale / 30);
            }
            self.write(&media, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// Whether the parameters of a track changed while it was written: a player may stop there.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    fn begin(&mut self, init: Init) {
        let Init { ftyp, moov } = init;
        let Moov { mvhd, mvex, trak, .. } = *moov;
        let trexs = mvex.map(|mvex| mvex.trex).unwrap_or_default();
        for trak in trak {
            let id = trak.tkhd.track_id;
            let Some(trex) = trexs.iter().find(|trex| trex.track_id == id) else { continue };
            match (self.zero, self.tracks.get(&id)) {
                (None, _) => drop(self.tracks.insert(id, (trak, trex.clone()))),
                (Some(_), Some((before, _))) => self.changed |= before.mdia.minf.stbl.stsd != trak.mdia.minf.stbl.stsd,
                (Some(_), None) => {}
            }
        }
        if self.zero.is_none() {
            self.ftyp = ftyp;
            self.moov.mvhd = mvhd;
        }
    }

    fn media(&mut self, media: Media, out: &mut BytesMut) -> Result<(), mp4_atom::Error> {
        let Some(track) = media.track() else { return Ok(()) };
        if self.zero.is_none() && !self.open(track, &media, out)? {
            return Ok(());
        }
        let (Some(timescale), Some(decode_time)) = (self.timescale(track), media.decode_time(track)) else {
            return Ok(());
        };
        // Sound from before the first picture.
        if decode_time < self.zero_of(timescale) {
            return Ok(());
        }
        if self.delivery == Delivery::Reply {
            return self.write(&media, out);
        }
        if let Some(mut before) = self.held.insert(track, media) {
            let (samples, start) = (sum_of_all_but_last(&before), before.decode_time(track).unwrap_or(decode_time));
            let longest = LONGEST * u64::from(timescale) / 90_000;
            let lasts = decode_time.saturating_sub(start + samples).clamp(1, longest);
            set_last_duration(&mut before, lasts as u32);
            self.write(&before, out)?;
        }
        Ok(())
    }

    /// Begins the file if it can begin here.
    fn open(&mut self, track: u32, media: &Media, out: &mut BytesMut) -> Result<bool, mp4_atom::Error> {
        if track != VIDEO || !media.sync() || !self.tracks.contains_key(&VIDEO) {
            return Ok(false);
        }
        // The init segments come one right after the other. Sound whose own was lost is not worth more than a GOP.
        if !self.skipped_keyframe && self.expected.iter().any(|track| !self.tracks.contains_key(track)) {
            self.skipped_keyframe = true;
            return Ok(false);
        }
        self.zero = media.decode_time(VIDEO);
        let (traks, trexs) = self.tracks.values().cloned().unzip();
        self.moov.trak = traks;
        self.moov.mvex = Some(Mvex { mehd: None, trex: trexs });
        self.moov.mvhd.next_track_id = AUDIO + 1;
        out.extend_from_slice(&self.ftyp);
        self.moov.encode(out)?;
        Ok(true)
    }

    fn write(&mut self, media: &Media, out: &mut BytesMut) -> Result<(), mp4_atom::Error> {
        let mut moof = media.moof.clone();
        moof.traf.retain(|traf| self.tracks.contains_key(&traf.tfhd.track_id));
        self.sequence += 1;
        moof.mfhd.sequence_number = self.sequence;
        for traf in &mut moof.traf {
            let zero = self.timescale(traf.tfhd.track_id).map_or(0, |timescale| self.zero_of(timescale));
            if let Some(tfdt) = &mut traf.tfdt {
                tfdt.base_media_decode_time = tfdt.base_media_decode_time.saturating_sub(zero);
            }
        }
        let mut boxed = BytesMut::new();
        moof.encode(&mut boxed)?;
        // Offsets count from the beginning of the moof, which may have become longer or shorter; by how much does not depend
        // on them.
        let moved = boxed.len() as i32 - media.moof_bytes as i32;
        for offset in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun).filter_map(|trun| trun.data_offset.as_mut())
        {
            *offset = offset.saturating_add(moved);
        }
        moof.encode(out)?;
        out.put_u32(media.data.len() as u32 + 8);
        out.put_slice(b"mdat");
        out.extend_from_slice(&media.data);
        Ok(())
    }

    fn timescale(&self, track: u32) -> Option<u32> {
        self.tracks.get(&track).map(|(trak, _)| trak.mdia.mdhd.timescale).filter(|timescale| *timescale > 0)
    }

    /// The file's zero in another timescale.
    fn zero_of(&self, timescale: u32) -> u64 {
        let video = self.timescale(VIDEO).unwrap_or(timescale);
        (u128::from(self.zero.unwrap_or(0)) * u128::from(timescale) / u128::from(video)) as u64
    }
}

fn sum_of_all_but_last(media: &Media) -> u64 {
    let samples = media.moof.traf.first().and_then(|traf| traf.trun.first()).map(|trun| &trun.samples);
    let Some(TrunSamples::Explicit(entries)) = samples else { return 0 };
    entries.iter().rev().skip(1).map(|entry| u64::from(entry.duration.unwrap_or(0))).sum()
}

fn set_last_duration(media: &mut Media, duration: u32) {
    let samples = media.moof.traf.first_mut().and_then(|traf| traf.trun.first_mut()).map(|trun| &mut trun.samples);
    if let Some(TrunSamples::Explicit(entries)) = samples
        && let Some(last) = entries.last_mut()
    {
        last.duration = Some(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::mp4::read;
    use super::*;

    fn record(recorder: &mut Recorder, segments: &[Bytes]) -> Bytes {
        let mut file = BytesMut::new();
        for segment in read(&segments.concat().into()).expect("media") {
            file.extend_from_slice(&recorder.push(segment).expect("written"));
        }
        file.extend_from_slice(&recorder.finish().expect("written"));
        file.freeze()
    }

    fn parts(file: &Bytes) -> (Vec<Init>, Vec<Media>) {
        let (mut inits, mut media) = (Vec::new(), Vec::new());
        for segment in read(file).expect("a file") {
            match segment {
                Segment::Init(init) => inits.push(init),
                Segment::Media(fragment) => media.push(fragment),
            }
        }
        (inits, media)
    }

    fn durations(media: &[Media], track: u32) -> Vec<u32> {
        let of = |media: &Media| media.moof.traf[0].trun[0].samples.get(0).and_then(|sample| sample.duration);
        media.iter().filter(|media| media.track() == Some(track)).filter_map(of).collect()
    }

    #[test]
    fn a_file_has_one_moov_begins_at_zero_and_states_true_durations() {
        let (init, media) = (fixture::init, fixture::media);
        let file = record(
            &mut Recorder::new(Delivery::Live, true),
            &[
                init(VIDEO),
                init(AUDIO),
                media(VIDEO, 70, 9_000_000, true),
                media(VIDEO, 71, 9_003_000, false),
                media(AUDIO, 40, 4_799_000, true),
                media(AUDIO, 41, 4_800_024, true),
                media(AUDIO, 42, 4_801_048, true),
                media(VIDEO, 72, 9_007_500, false),
            ],
        );
        let (inits, media) = parts(&file);
        assert_eq!(inits.len(), 1);
        let ids: Vec<u32> = inits[0].moov.trak.iter().map(|trak| trak.tkhd.track_id).collect();
        assert_eq!(ids, [VIDEO, AUDIO]);
        assert_eq!(inits[0].moov.mvex.as_ref().map(|mvex| mvex.trex.len()), Some(2));
        let numbers: Vec<u32> = media.iter().map(Media::sequence).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let times = |track| media.iter().filter_map(|media| media.decode_time(track)).collect::<Vec<_>>();
        assert_eq!(times(VIDEO), [0, 3000, 7500]);
        assert_eq!(times(AUDIO), [24, 1048], "what was heard before the first picture is left out");
        assert_eq!(durations(&media, VIDEO), [3000, 4500, 3000]);
        assert_eq!(durations(&media, AUDIO)[0], 1024);
        for media in &media {
            let offset = media.moof.traf[0].trun[0].data_offset.expect("an offset");
            assert_eq!(offset as usize, media.moof_bytes + 8, "it points at the data");
        }
    }

    #[test]
    fn sound_whose_init_segment_was_lost_costs_one_keyframe() {
        let (init, media) = (fixture::init, fixture::media);
        let file = record(
            &mut Recorder::new(Delivery::Live, true),
            &[init(VIDEO), media(VIDEO, 1, 0, true), media(VIDEO, 2, 3000, false), media(VIDEO, 3, 6000, true)],
        );
        let (inits, media) = parts(&file);
        assert_eq!((inits[0].moov.trak.len(), media.len()), (1, 1));
    }

    #[test]
    fn whole_gops_keep_their_durations_and_are_written_at_once() {
        let mut recorder = Recorder::new(Delivery::Reply, false);
        let segments = read(&[fixture::init(VIDEO), fixture::media(VIDEO, 1, 0, true)].concat().into()).expect("media");
        let written: Vec<Bytes> =
            segments.into_iter().map(|segment| recorder.push(segment).expect("written")).collect();
        let (_, media) = parts(&written[1]);
        assert_eq!(durations(&media, VIDEO), [fixture::OPEN]);
        assert!(recorder.finish().expect("written").is_empty());
    }
}
