//! What can be wrong with a request before the core hears of it: the closed list, each with its status
//! and its stable code. The core's own refusals are `machine::refusal`.

use axum::http::StatusCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    // The way in.
    UnknownRoute,
    MethodNotAllowed,
    MalformedPath,
    BodyTooLarge,
    BodyTooSlow,
    // Who asks, and how often.
    Unauthorized,
    Forbidden,
    RateLimited,
    TooManyWatchers,
    // What is asked.
    UnknownParameter,
    DuplicateParameter,
    MalformedParameter,
    MalformedBody,
    UnknownField,
    MalformedReason,
    ReasonRequired,
    MalformedIdempotencyKey,
    MalformedRevision,
    MalformedName,
    DuplicateNodes,
    TooManyNames,
    MalformedPlanId,
    MalformedTokenId,
    MalformedRole,
    MalformedPlace,
    MalformedDuration,
    MalformedVersion,
    MalformedSha256,
    MalformedUrl,
}

impl Kind {
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownRoute => "unknown_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MalformedPath => "malformed_path",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::TooManyWatchers => "too_many_watchers",
            Self::UnknownParameter => "unknown_parameter",
            Self::DuplicateParameter => "duplicate_parameter",
            Self::MalformedParameter => "malformed_parameter",
            Self::MalformedBody => "malformed_body",
            Self::UnknownField => "unknown_field",
            Self::MalformedReason => "malformed_reason",
            Self::ReasonRequired => "reason_required",
            Self::MalformedIdempotencyKey => "malformed_idempotency_key",
            Self::MalformedRevision => "malformed_revision",
            Self::MalformedName => "malformed_name",
            Self::DuplicateNodes => "duplicate_nodes",
            Self::TooManyNames => "too_many_names",
            Self::MalformedPlanId => "malformed_plan_id",
            Self::MalformedTokenId => "malformed_token_id",
            Self::MalformedRole => "malformed_role",
            Self::MalformedPlace => "malformed_place",
            Self::MalformedDuration => "malformed_duration",
            Self::MalformedVersion => "malformed_version",
            Self::MalformedSha256 => "malformed_sha256",
            Self::MalformedUrl => "malformed_url",
        }
    }

    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited | Self::TooManyWatchers => StatusCode::TOO_MANY_REQUESTS,
            Self::MalformedPath
            | Self::UnknownParameter
            | Self::DuplicateParameter
            | Self::MalformedParameter
            | Self::MalformedBody
            | Self::UnknownField
            | Self::MalformedReason
            | Self::ReasonRequired
            | Self::MalformedIdempotencyKey
            | Self::MalformedRevision
            | Self::MalformedName
            | Self::DuplicateNodes
            | Self::TooManyNames
            | Self::MalformedPlanId
            | Self::MalformedTokenId
            | Self::MalformedRole
            | Self::MalformedPlace
            | Self::MalformedDuration
            | Self::MalformedVersion
            | Self::MalformedSha256
            | Self::MalformedUrl => StatusCode::BAD_REQUEST,
        }
    }
}
