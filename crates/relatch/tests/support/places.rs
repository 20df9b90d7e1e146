//! What the places hold: keys by name, and around them what must stay as it is to the byte.

/// The secret `prod/web`.
pub(super) const SECRET: &str = r#"{ "AWS_ACCESS_KEY_ID": "<web.id>",
  "AWS_SECRET_ACCESS_KEY":"<web.secret>",
  "OPENAI_API_KEY": "<chat>",   "database": "postgres://app:s3cr%40t@db/app?a=1&b=\"2\"",
  "retries": 3, "nested": {"z": [1, 2.50, null], "a": "é"} }
"#;

/// The parameter `/prod/batch`.
pub(super) const PARAMETER: &str = r#"{"queue":"jobs","AWS_ACCESS_KEY_ID":"<batch.id>","AWS_SECRET_ACCESS_KEY":"<batch.secret>","x":0}"#;

/// The file `web.env`.
pub(super) const DOTENV: &str = r#"# The web service; ask Ada before changing anything.
export AWS_ACCESS_KEY_ID=<web.id>
AWS_SECRET_ACCESS_KEY="<web.secret>"   # of user web

  OPENAI_API_KEY='<chat>'
MODE=fast
LIST="a b  c" # two spaces
"#;

/// The environment of the function `summaries`.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("UPLOADER_AWS_ACCESS_KEY_ID", "<uploader.id>"),
    ("UPLOADER_AWS_SECRET_ACCESS_KEY", "<uploader.secret>"),
    ("OPENAI_API_KEY", "<summaries>"),
    ("LEVEL", "info"),
    ("GREETING", "  two spaces, a = and a \"quote\" "),
];
