"""The link in a mail to an owner repairs the mailbox, in a browser without a login."""

from __future__ import annotations

from gmail_warmup.alerts.owner_mails.delivery import OwnerMailer, send_due_mails
from gmail_warmup.alerts.owner_mails.template import load_template
from gmail_warmup.core.urls import SiteUrls
from support.owner_mail_kit import OLIVIA, Post
from web.kit import MOUNT, Site, at_google, follow

ADA = "ada@warm.example"


def test_the_mailed_link_repairs_the_mailbox(site: Site):
    site.add(ADA, "warmup", owner_email=OLIVIA)
    site.sql("UPDATE gmail_warmup.oauth_grant SET reason = 'expired_or_revoked', state_since = now()")
    post = Post()
    urls = SiteUrls(base_url=site.origin)
    mailer = OwnerMailer(send=post.send, template=load_template(""), urls=urls, invite_days=7)
    assert send_due_mails(site.engine, lambda: mailer).sent == 1
    (link,) = [line for line in post.mails[0].text.splitlines() if "/invite#" in line]
    page, _, token = link.partition("#")
    assert page == f"{site.origin}{MOUNT}/invite"
    with site.stranger() as owner:
        done = owner.get(at_google(follow(owner, token), ADA))
        assert done.status_code in (302, 303), done.text
    assert site.grant(ADA)["state"] == "active"
    assert send_due_mails(site.engine, lambda: mailer).sent == 0
