//! [`composed`]: one spelling for names that systems encode in two ways.

/// Each combining mark, the letters before it, and the composed characters: Latin, Greek, Cyrillic and Japanese,
/// from Unicode's canonical decompositions.
#[rustfmt::skip]
const MARKS: [(char, &str, &str); ROWS] = [
    ('\u{0300}', "AEIOUaeiouÜüNnĒēŌōWwÂâĂăÊêÔôƠơƯưYyЕИеи", "ÀÈÌÒÙàèìòùǛǜǸǹḔḕṐṑẀẁẦầẰằỀềỒồỜờỪừỲỳЀЍѐѝ"),
    ('\u{0301}', "AEIOUYaeiouyCcLlNnRrSsZzÜüGgÅåÆæØøÇçĒēÏïKkMmÕõŌōPpŨũWwÂâĂăÊêÔôƠơƯư¨ΑΕΗΙΟΥΩϊαεηιϋουωϒГКгк", "ÁÉÍÓÚÝáéíóúýĆćĹĺŃńŔŕŚśŹźǗǘǴǵǺǻǼǽǾǿḈḉḖḗḮḯḰḱḾḿṌṍṒṓṔṕṸṹẂẃẤấẮắẾếỐốỚớỨứ΅ΆΈΉΊΌΎΏΐάέήίΰόύώϓЃЌѓќ"),
    ('\u{0302}', "AEIOUaeiouCcGgHhJjSsWwYyZzẠạẸẹỌọ", "ÂÊÎÔÛâêîôûĈĉĜĝĤĥĴĵŜŝŴŵŶŷẐẑẬậỆệỘộ"),
    ('\u{0303}', "ANOanoIiUuVvÂâĂăEeÊêÔôƠơƯưYy", "ÃÑÕãñõĨĩŨũṼṽẪẫẴẵẼẽỄễỖỗỠỡỮữỸỹ"),
    ('\u{0304}', "AaEeIiOoUuÜüÄäȦȧÆæǪǫÖöÕõȮȯYyGgḶḷṚṛИиУу", "ĀāĒēĪīŌōŪūǕǖǞǟǠǡǢǣǬǭȪȫȬȭȰȱȲȳḠḡḸḹṜṝӢӣӮӯ"),
    ('\u{0306}', "AaEeGgIiOoUuȨȩẠạУИиуЖжАаЕе", "ĂăĔĕĞğĬĭŎŏŬŭḜḝẶặЎЙйўӁӂӐӑӖӗ"),
    ('\u{0307}', "CcEeGgIZzAaOoBbDdFfHhMmNnPpRrSsŚśŠšṢṣTtWwXxYyſ", "ĊċĖėĠġİŻżȦȧȮȯḂḃḊḋḞḟḢḣṀṁṄṅṖṗṘṙṠṡṤṥṦṧṨṩṪṫẆẇẊẋẎẏẛ"),
    ('\u{0308}', "AEIOUaeiouyYHhÕõŪūWwXxtΙΥιυϒЕІеіАаӘәЖжЗзИиОоӨөЭэУуЧчЫы", "ÄËÏÖÜäëïöüÿŸḦḧṎṏṺṻẄẅẌẍẗΪΫϊϋϔЁЇёїӒӓӚӛӜӝӞӟӤӥӦӧӪӫӬӭӰӱӴӵӸӹ"),
    ('\u{0309}', "AaÂâĂăEeÊêIiOoÔôƠơUuƯưYy", "ẢảẨẩẲẳẺẻỂểỈỉỎỏỔổỞởỦủỬửỶỷ"),
    ('\u{030A}', "AaUuwy", "ÅåŮůẘẙ"),
    ('\u{030B}', "OoUuУу", "ŐőŰűӲӳ"),
    ('\u{030C}', "CcDdEeLlNnRrSsTtZzAaIiOoUuÜüGgKkƷʒjHh", "ČčĎďĚěĽľŇňŘřŠšŤťŽžǍǎǏǐǑǒǓǔǙǚǦǧǨǩǮǯǰȞȟ"),
    ('\u{030F}', "AaEeIiOoRrUuѴѵ", "ȀȁȄȅȈȉȌȍȐȑȔȕѶѷ"),
    ('\u{0311}', "AaEeIiOoRrUu", "ȂȃȆȇȊȋȎȏȒȓȖȗ"),
    ('\u{031B}', "OoUu", "ƠơƯư"),
    ('\u{0323}', "BbDdHhKkLlMmNnRrSsTtVvWwZzAaEeIiOoƠơUuƯưYy", "ḄḅḌḍḤḥḲḳḶḷṂṃṆṇṚṛṢṣṬṭṾṿẈẉẒẓẠạẸẹỊịỌọỢợỤụỰựỴỵ"),
    ('\u{0324}', "Uu", "Ṳṳ"),
    ('\u{0325}', "Aa", "Ḁḁ"),
    ('\u{0326}', "SsTt", "ȘșȚț"),
    ('\u{0327}', "CcGgKkLlNnRrSsTtEeDdHh", "ÇçĢģĶķĻļŅņŖŗŞşŢţȨȩḐḑḨḩ"),
    ('\u{0328}', "AaEeIiUuOo", "ĄąĘęĮįŲųǪǫ"),
    ('\u{032D}', "DdEeLlNnTtUu", "ḒḓḘḙḼḽṊṋṰṱṶṷ"),
    ('\u{032E}', "Hh", "Ḫḫ"),
    ('\u{0330}', "EeIiUu", "ḚḛḬḭṴṵ"),
    ('\u{0331}', "BbDdKkLlNnRrTtZzh", "ḆḇḎḏḴḵḺḻṈṉṞṟṮṯẔẕẖ"),
    ('\u{3099}', "かきくけこさしすせそたちつてとはひふへほうゝカキクケコサシスセソタチツテトハヒフヘホウワヰヱヲヽ", "がぎぐげござじずぜぞだぢづでどばびぶべぼゔゞガギグゲゴザジズゼゾダヂヅデドバビブベボヴヷヸヹヺヾ"),
    ('\u{309A}', "はひふへほハヒフヘホ", "ぱぴぷぺぽパピプペポ"),
];

const ROWS: usize = 27;

/// The text with each letter and its marks as one character, the usual encoding of "ü". macOS writes file names as
/// "u" and a mark, and Korean syllables as their letters, so the same name has other bytes. Canonical composition
/// (NFC) for most living scripts; characters in none of these tables stay.
pub(crate) fn composed(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for next in text.chars() {
        match result.chars().next_back().and_then(|last| pair(last, next)) {
            Some(one) => {
                result.pop();
                result.push(one);
            }
            None => result.push(next),
        }
    }
    result
}

/// The composed character of two, if there is one.
fn pair(first: char, second: char) -> Option<char> {
    if second.is_ascii() {
        return None;
    }
    syllable(first, second).or_else(|| {
        let (_, letters, whole) = MARKS.iter().find(|(mark, ..)| *mark == second)?;
        letters.chars().zip(whole.chars()).find(|(letter, _)| *letter == first).map(|(_, one)| one)
    })
}

/// The Korean syllable of its letters, by the arithmetic of The Unicode Standard, section 3.12.
fn syllable(first: char, second: char) -> Option<char> {
    const SYLLABLES: u32 = 0xAC00;
    const LEADS: u32 = 0x1100;
    const VOWELS: u32 = 0x1161;
    const TAILS: u32 = 0x11A7;
    let (first, second) = (u32::from(first), u32::from(second));
    let lead = first.checked_sub(LEADS).filter(|lead| *lead < 19);
    let vowel = second.checked_sub(VOWELS).filter(|vowel| *vowel < 21);
    let open = first.checked_sub(SYLLABLES).filter(|place| *place < 11_172 && place % 28 == 0);
    let tail = second.checked_sub(TAILS).filter(|tail| (1..28).contains(tail));
    let code = match (lead, vowel, open, tail) {
        (Some(lead), Some(vowel), ..) => SYLLABLES + (lead * 21 + vowel) * 28,
        (.., Some(_), Some(tail)) => first + tail,
        _ => return None,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_spellings_are_the_same() {
        for (apart, one) in [
            ("U\u{308}berraschung", "Überraschung"),
            ("tristesse e\u{301}", "tristesse é"),
            ("so\u{323}\u{302}", "sộ"),
            ("\u{1112}\u{1162}\u{11BC}\u{1107}\u{1169}\u{11A8}", "행복"),
            ("か\u{3099}", "が"),
            ("и\u{306}", "й"),
            ("\u{308}x", "\u{308}x"),
            ("happy", "happy"),
            ("Freude", "Freude"),
        ] {
            assert_eq!(composed(apart), one);
            assert_eq!(composed(one), one);
        }
        for (mark, letters, whole) in MARKS {
            assert_eq!(letters.chars().count(), whole.chars().count(), "{mark:?}");
        }
    }
}
