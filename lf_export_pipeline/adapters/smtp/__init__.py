"""E-mail through a mail server or Amazon SES."""
