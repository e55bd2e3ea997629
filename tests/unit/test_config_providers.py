"""Addresses of providers: nothing secret in them is shown."""

import pytest

from app.config import ConfigError, StackConfig
from app.config.batches import BatchesConfig
from app.config.providers import ProviderConfig


def test_addresses_and_headers_do_not_show_in_a_repr() -> None:
    provider = ProviderConfig(
        base_url="https://host/v1?key=hidden", headers={"x": "hidden"}, proxy_url="http://hidden:3128"
    )
    assert "hidden" not in repr(provider)
    assert "hidden" not in repr(BatchesConfig(gateway_url="http://user:hidden@host/v1"))


@pytest.mark.parametrize("name", ["base_url", "proxy_url"])
@pytest.mark.parametrize("url", ["https://user:hidden@host", "http://hidden@host:1/v1"])
def test_a_user_or_password_in_an_address_is_refused_and_not_told(name: str, url: str) -> None:
    with pytest.raises(ConfigError, match="api_key_env") as refused:
        StackConfig.model_validate({"providers": {"p": {"preset": "openai", name: url}}})
    assert "hidden" not in str(refused.value)


def test_an_at_sign_behind_the_host_is_none() -> None:
    url = "https://host/v1/models/m@2"
    assert ProviderConfig(base_url=url).base_url == url
