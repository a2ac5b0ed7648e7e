"""The languages that Whisper's models know, in the order of their tokens, and their names."""

from __future__ import annotations

# Source: Radford et al. (2022), appendix E; the codes are ISO 639's, but for jw (now jv).
LANGUAGES = dict(
    entry.split(":")
    for entry in """
en:english zh:chinese de:german es:spanish ru:russian ko:korean fr:french ja:japanese pt:portuguese
tr:turkish pl:polish ca:catalan nl:dutch ar:arabic sv:swedish it:italian id:indonesian hi:hindi
fi:finnish vi:vietnamese he:hebrew uk:ukrainian el:greek ms:malay cs:czech ro:romanian da:danish
hu:hungarian ta:tamil no:norwegian th:thai ur:urdu hr:croatian bg:bulgarian lt:lithuanian la:latin
mi:maori ml:malayalam cy:welsh sk:slovak te:telugu fa:persian lv:latvian bn:bengali sr:serbian
az:azerbaijani sl:slovenian kn:kannada et:estonian mk:macedonian br:breton eu:basque is:icelandic
hy:armenian ne:nepali mn:mongolian bs:bosnian kk:kazakh sq:albanian sw:swahili gl:galician
mr:marathi pa:punjabi si:sinhala km:khmer sn:shona yo:yoruba so:somali af:afrikaans oc:occitan
ka:georgian be:belarusian tg:tajik sd:sindhi gu:gujarati am:amharic yi:yiddish lo:lao uz:uzbek
fo:faroese ht:haitian_creole ps:pashto tk:turkmen nn:nynorsk mt:maltese sa:sanskrit
lb:luxembourgish my:myanmar bo:tibetan tl:tagalog mg:malagasy as:assamese tt:tatar haw:hawaiian
ln:lingala ha:hausa ba:bashkir jw:javanese su:sundanese yue:cantonese
""".split()
)
LANGUAGES = {code: name.replace("_", " ") for code, name in LANGUAGES.items()}

# Other names of the same.
_ALIASES = {
    "burmese": "my",
    "castilian": "es",
    "flemish": "nl",
    "haitian": "ht",
    "jv": "jw",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}
_BY_NAME = {name: code for code, name in LANGUAGES.items()} | _ALIASES


def language_code(name: str) -> str:
    """The code of a language given by code or English name; ValueError for none of these."""
    key = name.strip().lower() if isinstance(name, str) else ""
    if key in LANGUAGES:
        return key
    if key in _BY_NAME:
        return _BY_NAME[key]
    raise ValueError(
        f"[whisper] expected a language such as en or english (there are {len(LANGUAGES)}); "
        f"got {name!r}"
    )
