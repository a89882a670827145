-- Sample traces: a trace is a turn of a conversation, four turns make a session. Every value follows from
-- the project, the seed and the number of the trace.
INSERT INTO traces
(
    id, timestamp, name, user_id, metadata, release, version, project_id, environment, public, bookmarked,
    tags, input, output, session_id, created_at, updated_at, event_ts, is_deleted
)
WITH
    [
        ('en', 'How do I change the billing address of my account?',
         'Open Settings, choose Billing, then Edit address. The next invoice carries the new one.',
         ['Invoices are issued on the first working day of each month. ',
          'An address can be changed until an invoice has been sent. ',
          'For companies in the EU the VAT number is "checked" automatically, usually within a minute. ']),
        ('en', 'Why is my import stuck at 99%?',
         'The last step verifies checksums; with 1,200 files this takes about 4 minutes.',
         ['Files larger than 5 GiB are split into parts.\n', 'See section 4.2, "Resuming an import".\n',
          'A checksum error names the file, e.g. data/2024/03/part-00017.csv.\n']),
        ('de', 'Kann ich die Bestellung 40-7781 noch ändern?',
         'Ja, solange sie nicht verschickt ist: unter „Meine Bestellungen“ auf „Ändern“ tippen.',
         ['Der Versand erfolgt werktags bis 16 Uhr. ', 'Größe und Farbe lassen sich kostenlos tauschen. ',
          'Für Möbel gelten längere Fristen; die Rücksendung übernimmt die Spedition. ']),
        ('fr', 'Où trouver ma facture de février ?',
         'Dans « Mon compte », rubrique « Factures » ; elle y est disponible au format PDF.',
         ['Les factures sont conservées pendant dix ans. ', 'L''accès exige une connexion vérifiée. ',
          'Un duplicata peut être demandé au service clientèle. ']),
        ('es', '¿Cuánto tarda el envío a Canarias?',
         'Entre cinco y siete días laborables; el seguimiento se actualiza cada noche.',
         ['Los paquetes pasan por la aduana. ', 'No se cobra IVA, pero sí el impuesto local. ',
          'El transportista avisa por correo electrónico la víspera de la entrega. ']),
        ('ja', '予約を来週の火曜日に変更できますか。',
         'はい、変更できます。予約番号をお知らせいただければ、すぐに手続きいたします。',
         ['変更は前日の正午まで無料です。', '窓口は平日の九時から十七時まで開いています。',
          '確認のメールは数分以内に届きます。']),
        ('zh', '这个接口每分钟最多可以调用多少次？',
         '默认每分钟 600 次；超过后返回 429，请按 Retry-After 等待。',
         ['配额按项目计算。', '企业版可以申请更高的限额。', '突发流量由令牌桶平滑处理。']),
        ('ar', 'كيف أعيد تعيين كلمة المرور؟',
         'اضغط على «نسيت كلمة المرور» ثم اتبع الرابط الذي يصلك بالبريد.',
         ['الرابط صالح لمدة ساعة واحدة. ', 'لا تشارك كلمة المرور مع أحد. ', 'يمكن تفعيل التحقق بخطوتين. ']),
        ('ru', 'Почему приложение не видит принтер?',
         'Проверьте, что принтер и телефон в одной сети, и перезапустите поиск.',
         ['Поиск занимает до тридцати секунд. ', 'Гостевая сеть часто изолирует устройства. ',
          'Обновление прошивки исправляет часть ошибок. ']),
        ('pt', 'Dá para juntar dois cupões? 😀',
         'Não, só um cupão por encomenda — mas o saldo de pontos pode ser somado. 🎉',
         ['Os pontos expiram ao fim de doze meses. ', 'O cupão não se aplica a portes. ',
          'A promoção «Verão» termina a 31 de agosto. '])
    ] AS topics,
    4 AS turns
SELECT
    lower(hex(MD5(concat({project:String}, '/', toString({seed:UInt64}), '/trace/', toString(number))))) AS id,
    {until:DateTime64(3)}
        - toIntervalMillisecond(cityHash64({project:String}, {seed:UInt64}, conversation, 'time')
            % ({days:UInt32} * 86400000))
        - toIntervalMillisecond(600000)
        + toIntervalMillisecond(number % turns * 95000 + chance % 40000) AS timestamp,
    ['chat', 'summarise-document', 'support-agent', 'answer-from-documents'][1 + kind] AS name,
    if(in_conversation % 20 = 0, NULL, concat('user-', toString(in_conversation % 500))) AS user_id,
    map(
        'language', topic.1,
        'region', ['eu-central-1', 'us-east-1', 'ap-northeast-1'][1 + in_conversation % 3],
        'attempt', toString(1 + (chance % 10 = 0)),
        'request', if(chance % 8 = 0, '{"city":"M\\u00fcnchen","beta":true}', '{"city":"Oslo","beta":false}')
    ) AS metadata,
    concat('2026.', toString(1 + chance % 6)) AS release,
    if(chance % 3 = 0, NULL, concat('v', toString(1 + chance % 4))) AS version,
    {project:String} AS project_id,
    multiIf(in_conversation % 10 < 7, 'production', in_conversation % 10 < 9, 'staging', 'default') AS environment,
    chance % 25 = 0 AS public,
    chance % 40 = 0 AS bookmarked,
    arrayFilter(tag -> cityHash64(id, tag) % 3 = 0, ['beta', 'billing', 'priority', 'mobile', 'a/b test']) AS tags,
    multiIf(
        kind = 0, toJSONString(map('messages', [
            map('role', 'system', 'content', 'You answer customers. Be brief, be exact.'),
            map('role', 'user', 'content', concat(topic.2, '\n\n', text))
        ])),
        kind = 1, concat('Summarise the following text in one sentence.\n\n', topic.2, '\n', text),
        kind = 2, toJSONString(map('messages', [
            map('role', 'user', 'content', topic.2),
            map('role', 'assistant', 'tool_calls', '[{"name":"find_order","arguments":{"number":"40-7781"}}]'),
            map('role', 'tool', 'content', text)
        ])),
        toJSONString(CAST((concat(topic.2, ' ', text), 5, 0.25), 'Tuple(query String, top_k UInt8, threshold Float64)'))
    ) AS input,
    multiIf(
        chance % 33 = 0, NULL,
        kind = 1, concat(topic.3, '\n', text),
        kind = 3, toJSONString(CAST(
            (concat(topic.3, ' ', text), ['handbook.pdf', 'faq.md'], round(chance % 1000 / 1000, 3)),
            'Tuple(answer String, sources Array(String), confidence Float64)'
        )),
        toJSONString(map('role', 'assistant', 'content', concat(topic.3, '\n', text)))
    ) AS output,
    if(conversation % 5 < 3, concat('session-', substring(lower(hex(MD5(
        concat({project:String}, '/', toString({seed:UInt64}), '/session/', toString(conversation))))), 1, 12)), NULL
    ) AS session_id,
    timestamp + toIntervalMillisecond(40) AS created_at,
    timestamp + toIntervalMillisecond(2500) AS updated_at,
    updated_at AS event_ts,
    0 AS is_deleted
FROM
(
    SELECT
        number,
        intDiv(number, turns) AS conversation,
        cityHash64({project:String}, {seed:UInt64}, number, 'turn') AS chance,
        cityHash64({project:String}, {seed:UInt64}, conversation, 'conversation') AS in_conversation,
        intDiv(chance, 1000) % 4 AS kind,
        topics[1 + in_conversation % length(topics)] AS topic,
        arrayAvg(arrayMap(sentence -> length(sentence), topic.4)) AS sentence_bytes,
        -- From a half to one and a half of the size asked for, half of it each in input and output.
        toUInt64({text_bytes:UInt32} * (50 + chance % 100) / 100 / 2 / sentence_bytes) AS sentences,
        arrayStringConcat(arrayMap(
            position -> topic.4[1 + cityHash64(chance, position) % length(topic.4)], range(sentences)
        )) AS text
    FROM numbers({traces:UInt64})
)
