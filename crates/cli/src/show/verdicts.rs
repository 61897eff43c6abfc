//! What was measured, in sentences.

use anyhow::Result;
use segue::verdicts;
use segue_report::Sentence;

use crate::screen::Screen;

/// Writes a heading and one line for each sentence.
pub(crate) fn show(sentences: &[Sentence], screen: Screen) -> Result<()> {
    screen.heading("Verdicts")?;
    for sentence in sentences {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
}
