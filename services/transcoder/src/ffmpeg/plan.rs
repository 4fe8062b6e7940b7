//! What to ask of ffmpeg: optimistically a copy, and after each symptom the least that may help.
//!
//! Every step gives up something that is not taken back within a life, so the steps are few and end. Pure; the memory of
//! what helped is [`super::learned`].

use super::diagnosis::Symptom;

/// How to treat each track and how hard to look at the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// The video track.
    pub(crate) video: Video,
    /// The audio track.
    pub(crate) audio: Audio,
    /// The look at the input before anything is written.
    pub(crate) probe: Probe,
    /// Who reads it.
    pub(crate) reader: Reader,
}

/// Who reads a source of which nothing has to be transcoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reader {
    /// Our own reader, if the worker may use it.
    #[default]
    Direct,
    /// ffmpeg, since ours cannot.
    Ffmpeg,
}

/// What to do with video where no profile asks for a transcode anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Video {
    /// Passed on as it is.
    #[default]
    Copy,
    /// Decoded and encoded as H.264.
    Encode,
}

/// What to do with audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Audio {
    /// Passed on as it is.
    #[default]
    Copy,
    /// Decoded and encoded as AAC.
    Encode,
    /// There is none, or none that can be decoded.
    Absent,
}

/// How hard to look at the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Probe {
    /// A tenth of a second: enough where the session description tells the parameters.
    #[default]
    Short,
    /// Seconds: for sources that tell them only with their next keyframe.
    Long,
}

impl Plan {
    /// For another worker: `copy/absent/short`. Empty: the plan that everybody begins with.
    pub(crate) fn word(self) -> String {
        if self == Self::default() {
            return String::new();
        }
        let video = match self.video {
            Video::Copy => "copy",
            Video::Encode => "encode",
        };
        let audio = match self.audio {
            Audio::Copy => "copy",
            Audio::Encode => "encode",
            Audio::Absent => "absent",
        };
        let probe = match self.probe {
            Probe::Short => "short",
            Probe::Long => "long",
        };
        let reader = match self.reader {
            Reader::Direct => "",
            Reader::Ffmpeg => "/ffmpeg",
        };
        format!("{video}/{audio}/{probe}{reader}")
    }

    /// Another worker's plan; `None`: there is none, or it speaks of what is not known here.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let (video, rest) = word.split_once('/')?;
        let (audio, probe) = rest.split_once('/')?;
        let (probe, reader) = match probe.split_once('/') {
            Some((probe, "ffmpeg")) => (probe, Reader::Ffmpeg),
            Some(_) => return None,
            None => (probe, Reader::Direct),
        };
        Some(Self {
            video: match video {
                "copy" => Video::Copy,
                "encode" => Video::Encode,
                _ => return None,
            },
            audio: match audio {
                "copy" => Audio::Copy,
                "encode" => Audio::Encode,
                "absent" => Audio::Absent,
                _ => return None,
            },
            probe: match probe {
                "short" => Probe::Short,
                "long" => Probe::Long,
                _ => return None,
            },
            reader,
        })
    }

    /// Whether everything is passed on as it is, which our own reader can do.
    pub(crate) fn is_direct(self) -> bool {
        self.video == Video::Copy && self.audio != Audio::Encode && self.reader == Reader::Direct
    }

    /// What to try after `symptom`, at once. `None`: nothing else can help, so it is the source's failure.
    pub(crate) fn after(self, symptom: Symptom) -> Option<Self> {
        let next = match symptom {
            Symptom::NoAudio | Symptom::AudioUndecodable => Self { audio: Audio::Absent, ..self },
            Symptom::AudioNotCopyable => {
                Self { audio: if self.audio == Audio::Copy { Audio::Encode } else { Audio::Absent }, ..self }
            }
            Symptom::ParametersMissing if self.probe == Probe::Short => Self { probe: Probe::Long, ..self },
            Symptom::VideoNotCopyable | Symptom::ParametersMissing => Self { video: Video::Encode, ..self },
            Symptom::NeedsFfmpeg => Self { reader: Reader::Ffmpeg, ..self },
            Symptom::NoVideo
            | Symptom::VideoUndecodable
            | Symptom::Unauthorized
            | Symptom::Unreachable
            | Symptom::Other => self,
        };
        (next != self).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn steps_always_end(symptoms in prop::collection::vec(prop::sample::select(Symptom::ALL), 0..64)) {
            let mut plan = Plan::default();
            let mut steps = 0;
            for symptom in symptoms {
                if let Some(next) = plan.after(symptom) {
                    plan = next;
                    steps += 1;
                }
            }
            prop_assert!(steps <= 5, "{steps}");
        }
    }

    #[test]
    fn another_worker_understands_a_plan() {
        let mut plan = Plan::default();
        assert_eq!(plan.word(), "");
        for &symptom in Symptom::ALL.iter().chain(Symptom::ALL) {
            let Some(next) = plan.after(symptom) else { continue };
            plan = next;
            assert_eq!(Plan::from_word(&plan.word()), Some(plan), "{}", plan.word());
        }
        for word in ["", "copy", "copy/absent", "copy/absent/quick", "copy/absent/short/"] {
            assert_eq!(Plan::from_word(word), None, "{word}");
        }
    }

    #[test]
    fn each_symptom_is_answered_by_the_least_that_may_help() {
        let plan = Plan::default();
        for (symptom, expected) in [
            (Symptom::NoAudio, Some(Plan { audio: Audio::Absent, ..plan })),
            (Symptom::AudioNotCopyable, Some(Plan { audio: Audio::Encode, ..plan })),
            (Symptom::VideoNotCopyable, Some(Plan { video: Video::Encode, ..plan })),
            (Symptom::ParametersMissing, Some(Plan { probe: Probe::Long, ..plan })),
            (Symptom::NeedsFfmpeg, Some(Plan { reader: Reader::Ffmpeg, ..plan })),
            (Symptom::NoVideo, None),
            (Symptom::Unreachable, None),
            (Symptom::Unauthorized, None),
            (Symptom::Other, None),
        ] {
            assert_eq!(plan.after(symptom), expected, "{symptom:?}");
        }
    }
}
