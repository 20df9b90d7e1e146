//! What the places hold: keys by name, and around them what must stay as it is to the byte.

/// In every place, beside the keys: must never be seen anywhere else.
pub(crate) const NEIGHBOUR: &str = "CANARY-neighbour";

/// The secret `prod/web`.
pub(super) const SECRET: &str = r#"{ "AWS_ACCESS_KEY_ID": "<web.id>",
  "AWS_SECRET_ACCESS_KEY":"<web.secret>",
  "OPENAI_API_KEY": "<chat>",   "database": "postgres://app:CANARY-neighbour-in-a-secret@db/app?a=1&b=\"2\"",
  "retries": 3, "nested": {"z": [1, 2.50, null], "a": "é"} }
"#;

/// The parameter `/prod/batch`.
pub(super) const PARAMETER: &str = r#"{"queue":"CANARY-neighbour-in-a-parameter","AWS_ACCESS_KEY_ID":"<batch.id>","AWS_SECRET_ACCESS_KEY":"<batch.secret>","x":0}"#;

/// The file `web.env`.
pub(super) const DOTENV: &str = r#"# The web service; ask Ada before changing anything.
export AWS_ACCESS_KEY_ID=<web.id>
AWS_SECRET_ACCESS_KEY="<web.secret>"   # of user web

  OPENAI_API_KEY='<chat>'
MODE=CANARY-neighbour-in-a-file
LIST="a b  c" # two spaces
"#;

/// The environment of the function `summaries`.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("UPLOADER_AWS_ACCESS_KEY_ID", "<uploader.id>"),
    ("UPLOADER_AWS_SECRET_ACCESS_KEY", "<uploader.secret>"),
    ("OPENAI_API_KEY", "<summaries>"),
    ("LEVEL", "CANARY-neighbour-in-a-function"),
    ("GREETING", "  two spaces, a = and a \"quote\" "),
];
