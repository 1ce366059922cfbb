//! The texts of the API that have a form of their own, as the document describes them. Reading them is `call`'s.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! text {
    ($($name:ident $pattern:literal $example:literal $description:literal)*) => {
        $(
            #[doc = $description]
            pub struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .pattern(Some($pattern))
                        .description(Some($description))
                        .examples([$example])
                        .into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

text! {
    Name "^[a-z0-9][a-z0-9-]{0,62}$" "node-1" "The name of a node, or the id of a token."
    PlanId "^p-[1-9][0-9]{0,17}$" "p-17" "The id of a plan."
    Sha256 "^[0-9a-f]{64}$"
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" "A SHA-256 in hexadecimal."
    Duration "^[0-9]{1,9}(ms|s|m|min|h|d)$" "30s" "A duration with its unit."
    Lifetime "^([1-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9])(s|m|min|h|d)$" "90d"
        "How long a token is good: up to 366 days."
    Version "^[0-9]{1,5}\\.[0-9]{1,5}\\.[0-9]{1,5}$" "1.2.3"
        "A semantic version; labels behind it are understood too."
    Url "^(https?|file)://[a-z0-9.-]{1,60}(/[a-zA-Z0-9._-]{1,60}){1,8}$" "https://releases.example.com/aegis-1.2.3"
        "An http or https URL without user or password, or a file's."
    Place "^[0-9]{1,15}\\.[0-9]{1,5}$" "1234.0"
        "A place in the journal: the index in the log, and the number within the entry."
}
