"""Requests in the shapes of OpenAI's API, checked, with bounds; extra sampling settings are ours.

Source: OpenAI's API reference, chat completions, completions and embeddings (2026).
Unknown fields are ignored, as clients send settings of other servers too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator

from olivine.llm.sampling import Sampling

MAX_CHOICES = 16
MAX_STOPS = 16
MAX_BIASES = 1024
MAX_NUMBER = 2**31 - 1

Item = TypeVar("Item")


class _Fast(FailFast):
    __hash__ = object.__hash__  # unions of annotated types want one


# A list of a million wrong items makes one error, not a million.
Items = Annotated[list[Item], _Fast()]


class Failed(Exception):
    """A request that cannot be served, as the client is told."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None
    ):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        return {
            "error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        }


Shape = TypeVar("Shape", bound=BaseModel)


def read(shape: type[Shape], body: bytes) -> Shape:
    """The request in a body of JSON. Failed: it is none, and what is wrong with it."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:200]
    text = f"{place}: {first['msg']}" if place else first["msg"]
    raise Failed(400, text[:1000], place or None)


class StreamOptions(BaseModel):
    include_usage: bool = False


class Generating(BaseModel):
    """What requests for text have in common."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str | None = None
    max_tokens: int | None = Field(None, ge=1, le=MAX_NUMBER)
    temperature: float = Field(1.0, ge=0, le=100)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, le=MAX_NUMBER)
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, le=100)
    presence_penalty: float = Field(0.0, ge=-100, le=100)
    frequency_penalty: float = Field(0.0, ge=-100, le=100)
    logit_bias: dict[int, float] | None = None
    seed: int | None = None
    stop: str | Items[str] | None = None
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    stream: bool = False
    stream_options: StreamOptions | None = None

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _biases(cls, value):
        if isinstance(value, dict) and len(value) > MAX_BIASES:
            raise ValueError(f"expected at most {MAX_BIASES} of them; got {len(value)}")
        return value

    @field_validator("stop")
    @classmethod
    def _stops(cls, value):
        stops = [value] if isinstance(value, str) else value or []
        if len(stops) > MAX_STOPS or not all(0 < len(s) <= 1000 for s in stops):
            raise ValueError(f"expected at most {MAX_STOPS} stop strings of 1 to 1000 characters")
        return value

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def sampling(self, choice: int = 0) -> Sampling:
        """How the tokens of choice number `choice` are drawn."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=self.logit_bias or {},
            seed=None if self.seed is None else (self.seed + choice) % 2**63,
        )


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Items[dict[str, Any]] | None = None

    def plain(self) -> dict[str, Any]:
        """For a chat template: parts of text joined, nothing that is not there."""
        out = {k: v for k, v in self.model_dump().items() if v is not None}
        if isinstance(self.content, list):
            texts = [part.get("text") for part in self.content if part.get("type") == "text"]
            if len(texts) != len(self.content) or not all(isinstance(t, str) for t in texts):
                raise Failed(400, "expected message parts of type text", "messages")
            out["content"] = "".join(texts)
        out["role"] = "system" if self.role == "developer" else self.role
        out.setdefault("content", "")
        return out


class JSONSchema(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    name: str = "answer"
    definition: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JSONSchema | None = None


class Function(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str = Field(max_length=256)
    parameters: dict[str, Any] | None = None


class Tool(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["function"] = "function"
    function: Function


class ChosenFunction(BaseModel):
    name: str


class ToolChoice(BaseModel):
    type: Literal["function"]
    function: ChosenFunction


class ChatRequest(Generating):
    messages: Items[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_NUMBER)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: Items[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice = "auto"

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def logprob_count(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def usable_tools(self) -> list[dict[str, Any]]:
        """The tools that the model may call, as the chat template takes them."""
        if not self.tools or self.tool_choice == "none":
            return []
        tools = [tool.model_dump(exclude_none=True) for tool in self.tools]
        if isinstance(self.tool_choice, ToolChoice):
            wanted = self.tool_choice.function.name
            tools = [t for t in tools if t["function"]["name"] == wanted]
            if not tools:
                raise Failed(
                    400, f"tool_choice names {wanted!r}, which is not among tools", "tool_choice"
                )
        return tools

    @property
    def must_call(self) -> bool:
        return self.tool_choice == "required" or isinstance(self.tool_choice, ToolChoice)


class CompletionRequest(Generating):
    prompt: str | Items[str] | Items[int] | Items[Items[int]]
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False
    max_tokens: int | None = Field(16, ge=1, le=MAX_NUMBER)

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [self.prompt]
        if not 1 <= len(self.prompt) <= 128:
            raise Failed(400, f"expected 1 to 128 prompts; got {len(self.prompt)}", "prompt")
        return self.prompt


class EmbeddingRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    input: str | Items[str] | Items[int] | Items[Items[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
