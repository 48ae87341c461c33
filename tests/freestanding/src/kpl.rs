//! Aggregates that the real KPL made, and their contents.
//!
//! Origin: awslabs/kinesis-aggregation, `python/test/test_deagg.py`.

/// A blob of the KPL, and its user records.
pub struct Fixture {
    pub blob: &'static [u8],
    pub user_records: &'static [Expected],
}

/// A user record: partition key, explicit hash key, data.
pub type Expected = (&'static str, Option<&'static str>, &'static str);

/// All of them.
pub const FIXTURES: &[Fixture] = &[WITH_EXPLICIT_HASH_KEYS, WITHOUT_EXPLICIT_HASH_KEYS, ONE_KEY];

/// Each user record has its own keys.
pub const WITH_EXPLICIT_HASH_KEYS: Fixture = Fixture {
    blob: &bytes_of_hex::<495>(
        b"f3899ac20a2466633033646438382d336537392d343438612d623031612d3763663162643437623738340a24\
          63616534316231632d656136312d343366322d393062652d6238373535656266383865320a24643439303639\
          30632d653734642d346462322d613363382d6438663266313834666432330a2463393234626330392d623835\
          652d343766312d623332652d3333363532326565353363381226333834383634393538363735303833393930\
          3738313539373233383436303531383037303230122731393337383736303030333736383137303639353231\
          3433333537303731393136333532363034122732363638383034333639363439333234323432363534363639\
          3136373334303638363834343339122733333936303636303039343239363733393138353436303335353234\
          30323032313834373239321a26080010001a205245434f5244203232207065656f6268637a627a646d736b62\
          6f75706779710a1a26080110011a205245434f5244203233207573776b78667478726f657573736378736a68\
          6e6f0a1a26080210021a205245434f524420323420636173656864676976666178657573746c79737a790a1a\
          26080310031a205245434f5244203235206e76666676706d756f67646f706a68616d6576726b0a51c153d0de\
          0a34ca9e18ea4bccd2add5",
    ),
    user_records: &[
        (
            "fc03dd88-3e79-448a-b01a-7cf1bd47b784",
            Some("38486495867508399078159723846051807020"),
            "RECORD 22 peeobhczbzdmskboupgyq\n",
        ),
        (
            "cae41b1c-ea61-43f2-90be-b8755ebf88e2",
            Some("193787600037681706952143357071916352604"),
            "RECORD 23 uswkxftxroeusscxsjhno\n",
        ),
        (
            "d490690c-e74d-4db2-a3c8-d8f2f184fd23",
            Some("266880436964932424265466916734068684439"),
            "RECORD 24 casehdgivfaxeustlyszy\n",
        ),
        (
            "c924bc09-b85e-47f1-b32e-336522ee53c8",
            Some("339606600942967391854603552402021847292"),
            "RECORD 25 nvffvpmuogdopjhamevrk\n",
        ),
    ],
};

/// Partition keys only.
pub const WITHOUT_EXPLICIT_HASH_KEYS: Fixture = Fixture {
    blob: &bytes_of_hex::<628>(
        b"f3899ac20a2437386665623132612d646261302d343563612d613931652d6262316632663138313962340a24\
          63326137353738372d343639622d343331302d383430642d6434383664636137656235650a24363530653933\
          36322d353732622d343432372d623366632d3133353439643765356165350a2431643864393630302d303062\
          372d343666332d613938332d6465383334373735343063300a2466326537313861302d333839622d34393461\
          2d623739362d3333353562303735363963630a2439363562386461342d613662642d343735352d383163392d\
          6537313831616237646339610a2464363933633566302d353737322d343663392d386438362d303863373035\
          3562646237350a2438643932343736622d656238392d346538312d393966622d633262613633616436643930\
          1a2408001a205245434f524420313820696b6c727073767968786e65726f646665686572750a1a2408011a20\
          5245434f5244203139206c6e6d6e756479687670766367726f6b666d7a64680a1a2408021a205245434f5244\
          20323020706a71726366627861667a646e647a6d6267616e650a1a2408031a205245434f5244203231206161\
          66726579726e74777577786c6979676b62686b0a1a2408041a205245434f5244203232207173616164686273\
          676d7671676469666775796f750a1a2408051a205245434f524420323320776a6f6b6f6977767a7a686c6674\
          6c7a6871666a6b0a1a2408061a205245434f5244203234207a6f70636173637274686262706e6a697775686a\
          620a1a2408071a205245434f52442032352074786262766e6f7a727773626f78756f6d71626f710abd5d6bac\
          b754f92cb6bfcc64819e5868",
    ),
    user_records: &[
        (
            "78feb12a-dba0-45ca-a91e-bb1f2f1819b4",
            None,
            "RECORD 18 iklrpsvyhxnerodfeheru\n",
        ),
        (
            "c2a75787-469b-4310-840d-d486dca7eb5e",
            None,
            "RECORD 19 lnmnudyhvpvcgrokfmzdh\n",
        ),
        (
            "650e9362-572b-4427-b3fc-13549d7e5ae5",
            None,
            "RECORD 20 pjqrcfbxafzdndzmbgane\n",
        ),
        (
            "1d8d9600-00b7-46f3-a983-de83477540c0",
            None,
            "RECORD 21 aafreyrntwuwxliygkbhk\n",
        ),
        (
            "f2e718a0-389b-494a-b796-3355b07569cc",
            None,
            "RECORD 22 qsaadhbsgmvqgdifguyou\n",
        ),
        (
            "965b8da4-a6bd-4755-81c9-e7181ab7dc9a",
            None,
            "RECORD 23 wjokoiwvzzhlftlzhqfjk\n",
        ),
        (
            "d693c5f0-5772-46c9-8d86-08c7055bdb75",
            None,
            "RECORD 24 zopcascrthbbpnjiwuhjb\n",
        ),
        (
            "8d92476b-eb89-4e81-99fb-c2ba63ad6d90",
            None,
            "RECORD 25 txbbvnozrwsboxuomqboq\n",
        ),
    ],
};

/// All user records have the same keys.
pub const ONE_KEY: Fixture = Fixture {
    blob: &bytes_of_hex::<240>(
        b"f3899ac20a0d3135363236303230373438393612273333393630363630303934323936373339313835343630\
          333535323430323032313834373239321a27080010001a215245434f5244203230303520706a717263666278\
          61667a646e647a6d6267616e651a27080010001a215245434f5244203230303620706a71726366627861667a\
          646e647a6d6267616e651a27080010001a215245434f5244203230303720706a71726366627861667a646e64\
          7a6d6267616e651a27080010001a215245434f5244203230303820706a71726366627861667a646e647a6d62\
          67616e6507acba97020a49393f2fd65a7cd6033f",
    ),
    user_records: &[
        (
            "1562602074896",
            Some("339606600942967391854603552402021847292"),
            "RECORD 2005 pjqrcfbxafzdndzmbgane",
        ),
        (
            "1562602074896",
            Some("339606600942967391854603552402021847292"),
            "RECORD 2006 pjqrcfbxafzdndzmbgane",
        ),
        (
            "1562602074896",
            Some("339606600942967391854603552402021847292"),
            "RECORD 2007 pjqrcfbxafzdndzmbgane",
        ),
        (
            "1562602074896",
            Some("339606600942967391854603552402021847292"),
            "RECORD 2008 pjqrcfbxafzdndzmbgane",
        ),
    ],
};

/// Runs only at compile time.
const fn bytes_of_hex<const N: usize>(hex: &[u8]) -> [u8; N] {
    assert!(hex.len() == 2 * N);
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = (digit(hex[2 * at]) << 4) | digit(hex[2 * at + 1]);
        at += 1;
    }
    bytes
}

const fn digit(ascii: u8) -> u8 {
    match ascii {
        b'0'..=b'9' => ascii - b'0',
        b'a'..=b'f' => ascii - b'a' + 10,
        _ => panic!("no hex digit"),
    }
}
