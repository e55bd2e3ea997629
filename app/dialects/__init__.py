"""Dialects: OpenAI's Responses and Anthropic's Messages, translated to chat requests and back.

A dialect is three files: its request as a ChatRequest, its whole answer, its stream. Between the
wire and the pipeline there is one kind of request and one kind of answer, so rails, cache and
ledger know nothing of dialects.
"""
